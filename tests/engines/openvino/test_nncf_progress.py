"""NNCF's own bars, in a process that may import torch: percents go up, samples are not counted twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import json
import numpy as np
from nncf.common.logging.track_progress import track
from djl_trtllm.engines.openvino.nncf_progress import reported

told = []
before = track.__iter__
with reported(lambda name, percent: told.append((name, percent)), "quantising to int4"):
    list(track([5, 6, 7, 8], description="Applying AWQ"))
    list(track(["a", "b"], description="Applying Weight Compression", weights=[np.int64(30), np.int64(10)]))
    list(track(iter("xy"), total=2, description="Statistics collection"))
    list(track(iter("xy"), description="Unknown length"))
assert track.__iter__ is before
list(track([1], description="Afterwards"))
print(json.dumps(told))
"""


def test_bars_are_stages_with_a_percent() -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    name = "quantising to int4"
    assert json.loads(done.stdout.splitlines()[-1]) == [
        [name, None],
        [f"{name}: applying AWQ", 0.0],
        [f"{name}: applying AWQ", 25.0],
        [f"{name}: applying AWQ", 50.0],
        [f"{name}: applying AWQ", 75.0],
        [name, None],
        [f"{name}: applying Weight Compression", 0.0],
        [f"{name}: applying Weight Compression", 75.0],
        [name, None],
        [f"{name}: unknown length", None],
        [f"{name}: unknown length", None],
        [name, None],
    ]
