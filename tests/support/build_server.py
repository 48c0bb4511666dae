"""Builders to be killed: `python -m tests.support.build_server <checkpoint> <cache> <compiled model>`.

The compiler's libraries are loaded once, which is most of a build. Each line of input forks a process that looks the
model up in the cache and makes it if it is not there: `build` compiles it, for real; `copy` takes the files of the
compiled model, so that publishing comes at once. It says `pid <n>`, its stages as `stage <name>`, and
`made hit|built <path>`; at the next line the server reaps it and says `ended <status>`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from djl_trtllm.compile import manifest
from djl_trtllm.core import Progress
from djl_trtllm.engines.building.child import Reporter
from djl_trtllm.engines.openvino import build_child, build_process, export
from djl_trtllm.engines.openvino.build_job import SCRATCH, Job
from tests.support.real_build import compile_model


def say(*words: object) -> None:
    # One write a line: the process may be killed at any moment.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Said(Reporter):
    """What a build child reports, as lines of this server's."""

    def __init__(self) -> None:
        super().__init__(sys.stdout.buffer)

    def stage(self, name: str, percent: float | None = None) -> None:
        say("stage", name)

    def note(self, text: str) -> None:
        pass


def build_here(job: Job, progress: Progress) -> None:
    """Do what build_process.run does, in this process."""
    scratch = Path(job.out) / SCRATCH
    scratch.mkdir()
    build_child.build(job, Said())
    shutil.rmtree(scratch)


def copying(compiled: Path) -> Callable[[Job, Progress], None]:
    def copy_here(job: Job, progress: Progress) -> None:
        shutil.copytree(compiled, job.out, dirs_exist_ok=True)
        (Path(job.out) / manifest.NAME).unlink()

    return copy_here


def load_libraries(model: Path) -> None:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    export.load_libraries()
    import optimum.exporters.openvino.convert
    import optimum.intel  # noqa: F401
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(model)


def serve(model: Path, cache: Path, compiled: Path) -> None:
    load_libraries(model)
    say("ready")
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            say("pid", os.getpid())
            build_process.run = build_here if line.strip() == "build" else copying(compiled)
            made = compile_model(model, cache, say=lambda name: say("stage", name))
            say("made", "hit" if made.hit else "built", made.path)
            os._exit(0)
        sys.stdin.readline()  # until it is reaped, nobody else can have its process id
        say("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    serve(*map(Path, sys.argv[1:4]))
