"""OpenVINO's child with faults: a pipeline that raises in one step, and one whose steps take as long as a real model's.

The environment says which: `RAISES` names a file, and the step after it appears raises; `STEP` are seconds that a step
takes longer.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from djl_trtllm.engines.openvino import child
from djl_trtllm.engines.openvino.link import Link
from djl_trtllm.engines.openvino.loop import Loop
from djl_trtllm.engines.openvino.messages import Start

MODULE = "chaos.openvino_child"
RAISES = "CHAOS_STEP_RAISES"
STEP = "CHAOS_STEP_SECONDS"


class Faulty:
    """The pipeline, but for its steps."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._trigger = Path(os.environ[RAISES]) if RAISES in os.environ else None
        self._seconds = float(os.environ.get(STEP, 0))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def step(self) -> None:
        if self._trigger is not None and self._trigger.exists():
            self._trigger.unlink()
            raise RuntimeError("Check 'false' failed: the step was told to raise")
        self._pipeline.step()
        time.sleep(self._seconds)


def main() -> int:
    construct = child.construct

    def constructed(start: Start, link: Link) -> Loop:
        loop = construct(start, link)
        loop._pipeline = Faulty(loop._pipeline)
        return loop

    child.construct = constructed
    return child.main()


if __name__ == "__main__":
    sys.exit(main())
