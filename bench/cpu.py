"""CPU time of a server's processes, by what they are. A busy machine changes it little."""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
ROLES = {"djl_trtllm.engines.openvino.child": "engine", "djl_python_engine.py": "worker"}
"""What a process is, by a word of its command line."""
FRONT = "front"
"""The server itself: HTTP, and Java in the same process."""


def seconds(server: int) -> dict[str, float]:
    """Return the seconds of CPU so far of the process `server`, and of the worker and the engine below it."""
    stats = {int(entry.name): _stat(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found = dict.fromkeys((FRONT, *ROLES.values()), 0.0)
    found[FRONT] = stats[server][1] / TICK
    generation = {server}
    while generation:
        generation = {pid for pid, (parent, _) in stats.items() if parent in generation}
        for pid in generation:
            role = _role(pid)
            if role:
                found[role] += stats[pid][1] / TICK
    return found


def _stat(process: Path) -> tuple[int, int]:
    """Return a process's parent, and its own ticks of CPU; nothing where it has just ended."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0
    return int(fields[1]), int(fields[11]) + int(fields[12])


def _role(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return next((role for word, role in ROLES.items() for part in words if part.endswith(word)), "")
