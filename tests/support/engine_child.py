"""The process below a worker in which OpenVINO runs: found, and made slow."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


def engine_child(worker: int) -> int:
    """Return the process id of a worker's engine."""
    children = [
        c.pid
        for c in psutil.Process(worker).children(recursive=True)
        if "openvino.child" in " ".join(c.cmdline())
    ]
    assert len(children) == 1, "one engine child a worker"
    return children[0]


@contextmanager
def slowed(pid: int) -> Iterator[None]:
    """Let a process run for a small part of the time only, so that its streams last."""
    over = threading.Event()

    def hold() -> None:
        with suppress(ProcessLookupError):  # it may end meanwhile
            while not over.wait(0.003):
                os.kill(pid, signal.SIGSTOP)
                over.wait(0.15)
                os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
