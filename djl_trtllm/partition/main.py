"""The entry point of trt_llm_partition.py: one rank in this process, or several under mpirun."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from djl_trtllm.errors import CompileError, DjlTrtllmError
from djl_trtllm.partition import rank
from djl_trtllm.partition.job import Job
from djl_trtllm.ranks import launch

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Partition one model; 0 well, 1 a failure, whose reason is the last line, 2 wrong arguments.

    Nothing on stdout begins with `ERROR `: DJL 0.32 and later take that for a failure, whatever the status is.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    job = Job.parse(arguments)
    rank.configure_log()
    try:
        if job.ranks == 1:
            rank.partition(job, os.environ)
        else:
            _run_ranks(job, arguments)
    except DjlTrtllmError as error:
        return _failed(str(error))
    except Exception as error:
        log.exception("partitioning failed")
        return _failed(f"Partitioning failed: {type(error).__name__}, see above.")
    return 0


def _failed(reason: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"error: {' '.join(reason.split())}\n")
    sys.stderr.flush()
    return 1


def _run_ranks(job: Job, arguments: Sequence[str]) -> None:
    """Run all ranks to their end; what they say is passed on."""
    with tempfile.TemporaryDirectory(prefix="djl-trtllm-partition-") as scratch:
        outcome = Path(scratch, "outcome")
        command = launch.command(rank.__name__, [str(outcome), *arguments], job.ranks)
        status = subprocess.run(
            command, stdin=subprocess.DEVNULL, check=False, preexec_fn=launch.end_with_parent
        ).returncode
        ended = [Path(f"{outcome}.{number}") for number in range(job.ranks)]
        for file in ended:
            if file.is_file() and (problems := file.read_text(encoding="utf-8").splitlines()):
                raise CompileError(*problems)
        if not ended[0].is_file():
            raise CompileError(f"The ranks ended with status {status} before they were done, see above.")


if __name__ == "__main__":
    sys.exit(main())
