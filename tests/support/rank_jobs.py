"""Jobs of two real ranks under mpirun, side by side: what they do most of the time is wait."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
RANKS = 2
MPIRUN = ("mpirun", "-np", str(RANKS), "--allow-run-as-root", "--bind-to", "none", "--oversubscribe")


@dataclass
class Job:
    """One run of two ranks. `ended` is when mpirun was gone."""

    text: str
    code: int
    ended: float

    def at(self, rank: int, event: str) -> float:
        """When a rank said something, in seconds since 1970."""
        for line in self.text.splitlines():
            words = line.split()
            if words[:2] == [str(rank), event]:
                return float(words[2])
        raise AssertionError(f"rank {rank} never said {event}:\n{self.text}")


def start(case: str, seconds: float) -> subprocess.Popen[str]:
    """Start two ranks of tests.support.rank."""
    beside = str(Path(sys.executable).parent)
    # The path of a session directory must be short.
    environ = {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}", "TMPDIR": "/tmp"}
    return subprocess.Popen(
        [*MPIRUN, sys.executable, "-m", "tests.support.rank", case, str(seconds)],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(cases: Sequence[str], seconds: float, patience: float = 60) -> Mapping[str, Job]:
    """Run all cases to their ends; again, and at most twice, those whose mpirun does not end when its ranks have.

    Open MPI 5's may lock itself up in `PMIx_server_finalize` (seen on a busy machine, with a rank that was killed).
    """
    jobs: dict[str, Job] = {}
    for _ in range(3):
        jobs |= _run([case for case in cases if case not in jobs], seconds, patience)
        if len(jobs) == len(cases):
            break
    assert jobs.keys() == {*cases}, "mpirun did not end, three times over"
    return jobs


def _run(cases: Sequence[str], seconds: float, patience: float) -> dict[str, Job]:
    """Run cases; leave out those whose mpirun is alone when patience ends."""
    started = {case: start(case, seconds) for case in cases}
    ends: dict[str, float] = {}
    deadline = time.monotonic() + patience
    while len(ends) < len(started) and time.monotonic() < deadline:
        for case, process in started.items():
            if case not in ends and process.poll() is not None:
                ends[case] = time.time()
        time.sleep(0.05)
    lost = [case for case, process in started.items() if case not in ends and _ranks(process)]
    for process in started.values():
        process.kill()
    texts = {case: process.communicate()[0] for case, process in started.items()}
    assert not lost, f"ranks of {lost} did not end: {texts}"
    return {case: Job(texts[case], started[case].returncode, end) for case, end in ends.items()}


def _ranks(launcher: subprocess.Popen[str]) -> bool:
    """Whether a launcher has a process that lives."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(launcher.pid).children(recursive=True)
        return any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    return False
