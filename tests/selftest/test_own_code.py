from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
def test_the_decoder_computes_what_transformers_computes() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("own_code_check.py"))],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "internlm",
        "internlm2",
        "baichuan",
        "chatglm",
        "qwen",
    ]
