"""Run one build in a child process: relay its progress, and turn every way it can end into one clear error."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import djl_trtllm
from djl_trtllm.compile import disk
from djl_trtllm.core import Progress
from djl_trtllm.engines import memory
from djl_trtllm.engines.building.news import Done, Failed, News, Note, Stage
from djl_trtllm.errors import CompileError, DjlTrtllmError, LoadError, OutOfMemory, UnsupportedModel
from djl_trtllm.options import secrets

_KEPT_LINES = 60
_LOOK_EVERY = 0.2
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Build:
    """What to run. `module` reads `job` as a line of JSON from stdin and writes `News` to stdout.

    `scratch` is made before and removed after success; temporary files go there. `memory` makes the sentences for a
    child that ran out of memory, from "ran out of memory" or what else is known; a line on stderr with one of
    `no_memory` tells that it did, where its own error does not. `environment` makes the child's from this process's.
    `check` is called a few times a second, from another thread; what it raises ends the build and is raised.
    `first` is the stage until the child reports one, `does` what it does to `origin`, in a sentence on its end.
    """

    module: str
    job: msgspec.Struct
    origin: str
    out: Path
    scratch: Path
    memory: Callable[[str], str]
    environment: Callable[[Mapping[str, str]], Mapping[str, str]] = field(default=dict)
    no_memory: Sequence[str] = ()
    check: Callable[[], None] | None = None
    first: str = "starting the compiler"
    does: str = "compiles"


def run(build: Build, progress: Progress) -> dict[str, object]:
    """Build and return what the child found out, mostly nothing; the child never outlives this.

    Raises `CompileError`, `UnsupportedModel` or `OutOfMemory`.
    """
    build.scratch.mkdir()
    progress.stage(build.first)
    child = subprocess.Popen(
        [sys.executable, "-m", build.module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(build),
        cwd=build.scratch,
    )
    said: deque[str] = deque(maxlen=_KEPT_LINES)
    assert child.stdin is not None  # noqa: S101 - all three are pipes
    assert child.stdout is not None  # noqa: S101
    assert child.stderr is not None  # noqa: S101
    reader = threading.Thread(target=_keep, args=(child.stderr, said), name="build-stderr", daemon=True)
    reader.start()
    watch = _Watch(child, build.check)
    try:
        _send(child, build.job)
        end = _relay(child.stdout, progress)
        status = child.wait()
    finally:
        child.kill()
        child.wait()
        watch.end()
        reader.join()
        for pipe in (child.stdin, child.stdout, child.stderr):
            pipe.close()
    if watch.found is not None:
        raise watch.found
    if isinstance(end, Done) and status == 0:
        shutil.rmtree(build.scratch, ignore_errors=True)
        return end.result or {}
    for line in said:
        _logger.warning("compiler: %s", line)
    raise _error(end, status, build, said)


class _Watch:
    """Calls `check` while the child lives, and kills it when that raises; `found` is what it raised."""

    def __init__(self, child: subprocess.Popen[bytes], check: Callable[[], None] | None) -> None:
        self.found: DjlTrtllmError | None = None
        self._child = child
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if check is not None:
            self._thread = threading.Thread(target=self._look, args=(check,), name="build-watch", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self, check: Callable[[], None]) -> None:
        try:
            while not self._ended.wait(_LOOK_EVERY):
                check()
        except DjlTrtllmError as error:
            self.found = error
            self._child.kill()


def _send(child: subprocess.Popen[bytes], job: msgspec.Struct) -> None:
    """Write the job; stdin stays open, because its end tells the child that its parent has died."""
    assert child.stdin is not None  # noqa: S101
    try:
        child.stdin.write(msgspec.json.encode(job) + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        _logger.warning("the compiler ended before it read its job")


def _relay(lines: Iterable[bytes], progress: Progress) -> News | None:
    """Report progress until the child closes its output; return what it said last."""
    decoder = msgspec.json.Decoder(News)
    last: News | None = None
    for line in lines:
        last = decoder.decode(line)
        if isinstance(last, Stage):
            progress.stage(last.name, last.percent)
        elif isinstance(last, Note):
            _logger.info("%s", last.text)
    return last


def _keep(lines: Iterable[bytes], said: deque[str]) -> None:
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            said.append(text)
            _logger.debug("compiler: %s", text)


def _environment(build: Build) -> dict[str, str]:
    """Return the child's environment: nothing goes to the network, temporary files go where there is room.

    A checkpoint's own code may run in it, where that is trusted, and has no use for credentials.
    """
    package = str(Path(djl_trtllm.__file__).resolve().parents[1])
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **secrets.without(build.environment(os.environ)),
        "HF_HUB_OFFLINE": "1",
        "HF_MODULES_CACHE": str(build.scratch / "modules"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": os.pathsep.join(paths),
        "TMPDIR": str(build.scratch),
        "TOKENIZERS_PARALLELISM": "false",
    }


def _error(end: News | None, status: int, build: Build, said: Iterable[str]) -> LoadError:
    if isinstance(end, Failed) and end.kind == "disk":
        root = build.out.parent.parent if build.out.parent.name == "building" else build.out
        return disk.problem(OSError(end.errno or 0, *end.problems), root)
    if isinstance(end, Failed) and end.kind == "unsupported":
        return UnsupportedModel(*end.problems)
    told = any(sign in line for line in said for sign in build.no_memory)
    if isinstance(end, Failed) and end.kind == "build" and not told:
        return CompileError(*end.problems)
    if isinstance(end, Failed):
        return OutOfMemory(build.memory("ran out of memory"))
    # A crash that C++ ends with has said why on its way.
    if any(map(memory.says, said)):
        return OutOfMemory(build.memory("ran out of memory"))
    if status == -signal.SIGKILL:
        return OutOfMemory(build.memory("was killed, probably because memory ran out"))
    if status == -signal.SIGSEGV:  # a library that does not look whether it got its memory
        # One short text, as what to do is to reach the client too.
        return CompileError(build.memory("crashed (signal SIGSEGV, see the log), perhaps for want of memory"))
    how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
    process = f"The process that {build.does} {build.origin}"
    return CompileError(f"{process} ended {how} before it was done; its last lines are in the log.")
