"""What a piece of Python does, counted by the interpreter itself: the same in every run, however busy the machine is.

The counts are those of one minor version of Python: another compiles to other bytecode.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any


def bytecodes(work: Callable[[], object]) -> dict[str, int]:
    """Count bytecode instructions, in Python functions of this thread."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if event == "opcode":
            count += 1
        else:
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return {"bytecodes": count}


def calls(work: Callable[[], object]) -> dict[str, int]:
    """Count calls, of Python functions and of C ones."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return {"calls": count - 1}  # the last one ends the counting


def memory(work: Callable[[], object]) -> dict[str, int]:
    """Count the blocks and bytes that are more afterwards than before, and the most bytes in between."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        blocks = sys.getallocatedblocks()
        work()
        blocks = sys.getallocatedblocks() - blocks
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    return {"blocks": blocks, "bytes": kept, "peak": peak}
