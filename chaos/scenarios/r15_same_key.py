"""R15: 16 processes compile the same model into one cache at once: one builds, the others wait and find it."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from chaos.figure import Figure, exactly
from chaos.scale import Scale
from djl_trtllm.compile import manifest
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.store import Store
from tests.support import plans
from tests.support.plans import plan

PROCESSES = 16
ROUNDS = (5, 1)
PATIENCE = 120.0
"""Seconds after which a process that has not ended counts as deadlocked."""


def run(scale: Scale) -> list[Figure]:
    """Let them start together, so often; count builds, processes that did not end, and locks that outlived them."""
    fault = f"{PROCESSES} processes compile the same key at once"
    rounds = scale.of(*ROUNDS)
    builds, stuck, orphans = 0, 0, 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="chaos-r15-") as name:
            root = Path(name)
            said, hung = _together(root)
            builds += sum(words.count("building") for words in said)
            stuck += hung
            orphans += _left(root)
    detail = f"{rounds} rounds"
    return [
        exactly("R15.builds_a_round", fault, builds / rounds, 1, "", detail),
        exactly("R15.deadlocks", fault, stuck, 0, "", detail),
        exactly("R15.orphan_locks", fault, orphans, 0, "", detail),
    ]


def _together(root: Path) -> tuple[list[list[str]], int]:
    started = [plans.start(root, "counted") for _ in range(PROCESSES)]
    deadline, said, hung = time.monotonic() + PATIENCE, [], 0
    for one in started:
        with one:
            try:
                said.append(one.communicate(timeout=max(deadline - time.monotonic(), 0.1))[0].split())
            except subprocess.TimeoutExpired:
                one.kill()
                hung += 1
    return said, hung


def _left(root: Path) -> int:
    """Locks that are held, and directories that are half-built, after everybody has gone."""
    store = Store(root)
    manifest.verify(store.artifact(key(plan())))
    lock = store.lock(key(plan()))
    held = not lock.acquire()
    if not held:
        lock.release()
    return held + store.use(key(plan())).busy() + len(list((root / "building").iterdir()))
