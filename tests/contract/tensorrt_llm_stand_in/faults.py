"""Faults that a test injects: an environment tells which rank fails at which stage and how.

A fault is `{"stage": ..., "kind": ...}` with any of the other keys:

| key | meaning |
|---|---|
| stage | `convert` (from_hugging_face), `quantize`, `load` (from_checkpoint), `build`, `save`, `open`, `step` |
| kind | `oom` (torch's OutOfMemoryError), `raise` (RuntimeError), `exit` (status 1), `kill`, `hang` (sleeps) |
| rank | the rank that fails; absent: every rank |
| after | how many times the stage goes well first (0) |
| times | how often it fails (absent: always) |
| once | a path: the fault makes that file and happens no more where it is there, in any process |
| seconds | how long `hang` lasts (3600) |
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

STAGES = ("convert", "quantize", "load", "build", "save", "open", "step")
KINDS = ("oom", "raise", "exit", "kill", "hang")
KEYS = {"stage", "kind", "rank", "after", "times", "once", "seconds", "message"}

OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU {rank} has a total capacity of 22.04 GiB"


class Faults:
    """What goes wrong in this process, and how often each stage was passed."""

    def __init__(self, faults: Sequence[Mapping[str, Any]] = ()) -> None:
        for fault in faults:
            wrong = set(fault) - KEYS
            if wrong or fault.get("stage") not in STAGES or fault.get("kind") not in KINDS:
                raise ValueError(f"no such fault: {dict(fault)}")
        self._faults = [dict(fault) for fault in faults]
        self._passed: Counter[int] = Counter()
        self._lock = threading.Lock()

    def trip(self, stage: str, rank: int) -> None:
        """Fail as injected, or return."""
        for number, fault in enumerate(self._faults):
            if fault["stage"] != stage or fault.get("rank", rank) != rank:
                continue
            with self._lock:
                turn = self._passed[number] - fault.get("after", 0)
                self._passed[number] += 1
            if turn >= 0 and turn < fault.get("times", turn + 1) and first(fault.get("once")):
                fail(fault, rank)


def first(mark: str | None) -> bool:
    """Say whether no process has been here before; True without a mark."""
    if mark is None:
        return True
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def fail(fault: Mapping[str, Any], rank: int) -> None:
    """Fail now, in the way the fault tells."""
    kind = fault["kind"]
    if kind == "oom":
        raise out_of_memory()(fault.get("message", OUT_OF_MEMORY.format(rank=rank)))
    if kind == "raise":
        raise RuntimeError(fault.get("message", f"[TensorRT-LLM][ERROR] injected at {fault['stage']}"))
    if kind == "exit":
        os._exit(1)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(fault.get("seconds", 3600))


def out_of_memory() -> type[Exception]:
    """Return torch's own error where torch is imported, a RuntimeError of that name where not."""
    torch = sys.modules.get("torch")
    known = getattr(torch, "OutOfMemoryError", None) or getattr(
        getattr(torch, "cuda", None), "OutOfMemoryError", None
    )
    return known or type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch"})
