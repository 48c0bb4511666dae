"""The handler in a worker that tells how many of the package's objects it holds, when a file asks for it.

`ask` is called by the scenario, the rest runs in the worker: `model_directory` writes the file that DJL loads.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chaos import objects

if TYPE_CHECKING:
    from djl_python.inputs import Input
    from djl_python.outputs import Output

ROOT = Path(__file__).resolve().parents[1]
REPORT = "CHAOS_REPORT"
PATIENCE = 60.0
_MODEL = f"""import sys
sys.path.insert(0, {str(ROOT)!r})
from chaos.reporting_handler import handle
"""


def handle(inputs: Input) -> Output | None:
    """Answer, and report where that is asked for and nothing is in flight any more."""
    from djl_trtllm import handler

    output = handler.handle(inputs)
    asked = Path(os.environ[REPORT])
    if asked.exists() and inputs.properties.get("batch_size") == "1":
        report = asked.with_suffix(".json")
        report.with_suffix(".tmp").write_text(json.dumps(objects.alive()))
        report.with_suffix(".tmp").replace(report)
    return output


def model_directory(directory: Path, options: Mapping[str, object]) -> Path:
    """Write a model directory whose handler reports."""
    directory.mkdir(parents=True)
    lines = {**options, "entryPoint": "model.py"}
    (directory / "model.py").write_text(_MODEL)
    (directory / "serving.properties").write_text("".join(f"option.{k}={v}\n" for k, v in lines.items()))
    return directory


def ask(asked: Path, request: Callable[[], object]) -> Counter[str]:
    """Return the objects that the worker holds after `request`, which is sent again while it is not the only one."""
    report = asked.with_suffix(".json")
    deadline = time.monotonic() + PATIENCE
    while not report.exists():
        if time.monotonic() > deadline:
            raise AssertionError(f"the worker did not report within {PATIENCE:g} s")
        asked.touch()
        request()
        asked.unlink()
    found = Counter(json.loads(report.read_text()))
    report.unlink()
    return found
