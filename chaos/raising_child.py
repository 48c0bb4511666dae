"""OpenVINO's child, whose pipeline raises in the step after a file appears: `RAISES` names it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from djl_trtllm.engines.openvino import child
from djl_trtllm.engines.openvino.link import Link
from djl_trtllm.engines.openvino.loop import Loop
from djl_trtllm.engines.openvino.messages import Start

RAISES = "CHAOS_STEP_RAISES"


class Raising:
    """The pipeline, but for one step."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._trigger = Path(os.environ[RAISES])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def step(self) -> None:
        if self._trigger.exists():
            self._trigger.unlink()
            raise RuntimeError("Check 'false' failed: the step was told to raise")
        self._pipeline.step()


def main() -> int:
    construct = child.construct

    def constructed(start: Start, link: Link) -> Loop:
        loop = construct(start, link)
        loop._pipeline = Raising(loop._pipeline)
        return loop

    child.construct = constructed
    return child.main()


if __name__ == "__main__":
    sys.exit(main())
