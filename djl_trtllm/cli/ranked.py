"""`compile` as several ranks: how it starts itself again under mpirun, and how each rank takes part."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.cli.outcome import Outcome
from djl_trtllm.errors import DjlTrtllmError

if TYPE_CHECKING:
    from djl_trtllm.core import Progress

Work = Callable[["Progress", Callable[[Outcome], None]], None]
"""What every rank does; it hands the outcome over on rank 0."""


def start(args: argparse.Namespace, count: int, scratch: Path) -> int:
    """Run this command again, as `count` ranks, and show what became of it; returns the exit code."""
    from djl_trtllm.cli import main
    from djl_trtllm.ranks import launch

    outcome = scratch / "outcome.json"
    command = launch.command(main.__name__, [*args.argv, "--outcome", str(outcome)], count, tagged=False)
    beside = str(Path(sys.executable).parent)
    environ = {**os.environ, "PATH": os.pathsep.join((beside, os.environ.get("PATH", "")))}
    # The path of mpirun's session directory must be short.
    environ["TMPDIR"] = str(scratch)
    child = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=launch.end_with_parent,
    )
    try:
        code = child.wait()
    except KeyboardInterrupt:
        child.wait()  # Ctrl-C has reached mpirun as well, which ends its ranks
        raise
    said = json.loads(outcome.read_text(encoding="utf-8")) if outcome.is_file() else {}
    if "error" in said or code or not said:
        args.console.errors(
            said.get("error") or [f"The ranks ended with status {code} before they were done."]
        )
        return 1
    Outcome(**said).show(args.console)
    return 0


def take_part(args: argparse.Namespace, rank: int, work: Work) -> int:
    """Do the work as one rank; rank 0 alone says anything, to whoever started the ranks where that was `start`."""
    from djl_trtllm.ranks import ending

    # What a rank says when it hears of another's failure; rank 0 says it as the error that it is.
    logging.getLogger("djl_trtllm.ranks").setLevel(logging.CRITICAL)
    leads = rank == 0
    done: list[Outcome] = []
    try:
        with args.console.progress("compiling") if leads else contextlib.nullcontext(_Silent()) as progress:
            work(progress, done.append)
    except Exception as error:
        if not isinstance(error, DjlTrtllmError):
            traceback.print_exc()
        problems = (
            error.problems if isinstance(error, DjlTrtllmError) else [f"{type(error).__name__}, see above."]
        )
        if not leads:
            # The first to end takes the others with it, and rank 0 has to be heard.
            time.sleep(ending.AFTER_LEADER)
        elif args.outcome:
            args.outcome.write_text(json.dumps({"error": list(problems)}), encoding="utf-8")
        else:
            args.console.errors(problems)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)  # the end of MPI would wait for ranks that may be gone
    if leads and args.outcome:
        args.outcome.write_text(json.dumps(asdict(done[0])), encoding="utf-8")
    elif leads:
        done[0].show(args.console)
    return 0


class _Silent:
    def stage(self, name: str, percent: float | None = None) -> None:
        """Say nothing: rank 0 does."""
