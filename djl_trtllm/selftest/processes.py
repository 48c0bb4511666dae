"""Child processes of a selftest: the one that makes checkpoints, and the ranks of a case, each with a time limit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from djl_trtllm.ranks import launch
from djl_trtllm.selftest import cases, models

_QUIET = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}
_GRACE = 10.0


def make_models(root: Path, families: Sequence[str], log: Path, seconds: float) -> Iterator[tuple[str, str]]:
    """Make checkpoints and references in a child; yield each family with what went wrong, empty when nothing did.

    A child that dies costs the family it was at.
    """
    left = list(families)
    while left:
        began = left[0]
        for line in _lines(root, left, log, seconds * len(left)):
            began = line["family"]
            if "problem" in line:
                left.remove(began)
                yield began, line["problem"]
        if left:
            left.remove(began) if began in left else left.pop(0)
            yield began, f"the process that makes it ended: {tail(log, 3)}"


def _lines(root: Path, families: Sequence[str], log: Path, seconds: float) -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", models.__name__]
    with log.open("ab") as errors:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            text=True,
            start_new_session=True,
        )
        clock = threading.Timer(seconds, child.kill)
        clock.start()
        try:
            assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 - they are pipes
            with child.stdin:
                child.stdin.write(json.dumps({"root": str(root), "families": list(families)}))
            for line in child.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
        finally:
            clock.cancel()
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


def run_ranks(module: str, job: Path, ranks: int, log: Path, seconds: float) -> str:
    """Run `module` with a job file, under mpirun for several ranks; return how it ended when not well, else ''."""
    command = launch.command(module, [str(job)], ranks)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            _end(child)
            return f"not done after {seconds:.0f} s"
        except BaseException:
            _end(child)
            raise
    if status < 0:
        return f"ended by signal {-status} ({signal.Signals(-status).name})"
    return f"ended with status {status}" if status else ""


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask politely, so that mpirun takes its ranks along; then end the whole session."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _environment() -> Mapping[str, str]:
    return {**cases.environment(), **_QUIET}


def tail(log: Path, lines: int) -> str:
    """Return the last lines of a log that say something, joined."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(said[-lines:])[-1500:]
