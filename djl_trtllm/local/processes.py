"""The processes below this one: who they are, and their end.

Closing DJL's model does not wait for its workers, and a worker in the middle of its load call does not notice that its
socket closed. So the server looks after what is left.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process that cannot be mistaken for a later one with the same id: `started` is in clock ticks since boot."""

    pid: int
    started: int


def descendants(pid: int | None = None) -> list[Process]:
    """Return every process below `pid` (default: this one), parents before children."""
    children: dict[int, list[Process]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(Process(int(entry.name), int(fields[19])))
    found = list(children.get(pid or os.getpid(), ()))
    for process in found:
        found.extend(children.get(process.pid, ()))
    return found


def workers(pid: int | None = None) -> list[Process]:
    """Return the processes below `pid` (default: this one) that run DJL's Python engine: one for each rank."""
    return [process for process in descendants(pid) if _is_worker(process.pid)]


def ask_to_end(process: Process) -> None:
    """Send SIGTERM to a process if it still runs."""
    if alive(process):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)


def alive(process: Process) -> bool:
    """Tell whether the process still runs; a zombie does not."""
    fields = _stat(process.pid)
    return bool(fields) and int(fields[19]) == process.started and fields[0] not in ("Z", "X")


def end(processes: Iterable[Process], patience: float = 2.0) -> list[Process]:
    """Wait `patience` seconds for the processes to go, then ask them (SIGTERM), then end them (SIGKILL).

    Returns those that had to be signalled.
    """
    left = _wait(list(processes), patience)
    stubborn = list(left)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        left = _wait(left, patience)
    return stubborn


def _wait(processes: list[Process], patience: float) -> list[Process]:
    deadline = time.monotonic() + patience
    while (left := [p for p in processes if alive(p)]) and time.monotonic() < deadline:
        time.sleep(0.02)
        processes = left
    return left


def _is_worker(pid: int) -> bool:
    try:
        command = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(part.endswith(b"djl_python_engine.py") for part in command[1:3])


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat after the command's name: state, parent, …; [] when it is gone."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
