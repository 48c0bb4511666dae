"""Builders that are killed at random moments, and what the next start finds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from djl_trtllm.compile import manifest
from djl_trtllm.compile.store import Store
from tests.support import tiny

STAGES = (
    "loading the compiler",
    "reading the tokenizer",
    "reading the weights",
    "converting to OpenVINO",
    "checking the compiled model",
)
PUBLISHING = "writing the manifest"


class Builders:
    """Processes that build one model into one cache, one after the other.

    `publishing` is how many seconds the last one took from its last stage, which is publishing, to its end.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.publishing = 0.0
        self._entered = 0.0
        self._server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.build_server",
                str(tiny.checkpoint("opt")),
                str(cache),
                str(tiny.compiled("llama")),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            cwd=tiny.ROOT,
        )
        self._hear("ready")

    def start(self, way: str) -> int:
        """Let one begin to `build` or to `copy`; return its process id."""
        self._say(way)
        return int(self._hear("pid").split()[1])

    def finish(self, way: str) -> tuple[str, Path]:
        """Let one begin and end; return how it came by the model and where that is."""
        self.start(way)
        _, how, path = self._hear("made").split()
        if how == "built":
            self.publishing = time.monotonic() - self._entered
        assert self._reaped() == 0
        return how, Path(path)

    def kill(self, pid: int) -> int:
        """Kill one, and return how it ended."""
        os.kill(pid, signal.SIGKILL)
        return self._reaped()

    def until(self, stage: str) -> None:
        """Wait until one enters a stage."""
        self._hear(f"stage {stage}")

    def close(self) -> None:
        self._server.kill()
        self._server.communicate()

    def _reaped(self) -> int:
        self._say("reap")
        return int(self._hear("ended").split()[1])

    def _say(self, word: str) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(f"{word}\n")

    def _hear(self, beginning: str) -> str:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            if line.startswith("stage "):
                self._entered = time.monotonic()
            if line.startswith(beginning):
                return line.strip()
        raise AssertionError(f"the builders ended before {beginning!r}")


def kill_one(builders: Builders, chance: random.Random, *, publishing: bool) -> str:
    """Kill one builder; say what it left after checking that nothing of it would be taken for whole."""
    store = Store(builders.cache)
    for entry in store.entries():
        store.discard(entry.key)
    pid = builders.start("copy" if publishing else "build")
    builders.until(PUBLISHING if publishing else chance.choice(STAGES))
    time.sleep(chance.uniform(0, 1.2 * builders.publishing if publishing else 1.0))
    assert builders.kill(pid) in (0, -signal.SIGKILL)
    for entry in store.entries():
        assert store.find(entry.key) is not None
        manifest.verify(entry.path)
    left = list((builders.cache / "building").iterdir())
    assert len(left) <= 1, "a builder removes what the last one left"
    return f"{len(store.entries())} published, {len(left)} left"


def check_a_clean_start(builders: Builders, way: str) -> None:
    """The next start hits or builds, and leaves no debris and no lock."""
    store = Store(builders.cache)
    there = bool(store.entries())
    how, path = builders.finish(way)
    assert how == ("hit" if there else "built")
    manifest.verify(path)
    assert list((builders.cache / "building").iterdir()) == []
    lock = store.lock(path.name)
    assert lock.acquire()
    lock.release()
