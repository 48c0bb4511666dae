"""The process that compiles: a JSON job on stdin, JSON lines of news on stdout, the libraries' chatter on stderr.

It lives as long as its parent: the kernel kills it when the parent's thread ends, and where that is not to be
had, the end of stdin does.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from djl_trtllm.engines import memory
from djl_trtllm.engines.building.news import Done, Failed, News, Note, Stage
from djl_trtllm.errors import CompileError, OutOfMemory, UnsupportedModel

_PR_SET_PDEATHSIG = 1
_NOT_WRITTEN = ("iostream error", "No space left on device")
_NEARLY_FULL = 64 << 20

JobT = TypeVar("JobT", bound=msgspec.Struct)


class Reporter:
    """Sends news to the parent; also the `Progress` of the steps."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def send(self, news: News) -> None:
        """Send one line."""
        self._stream.write(msgspec.json.encode(news) + b"\n")
        self._stream.flush()

    def stage(self, name: str, percent: float | None = None) -> None:
        """Report a stage."""
        self.send(Stage(name, percent))

    def note(self, text: str) -> None:
        """Put a line into the parent's log."""
        self.send(Note(text))


def main(
    kind: type[JobT],
    build: Callable[[JobT, Reporter], dict[str, object] | None],
    failed: Callable[[BaseException, JobT], Failed],
) -> int:
    """Read the job, build, and say how it ended."""
    _die_with_parent()
    # Libraries print; what they print must not get between the lines of news.
    reporter = Reporter(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    job = msgspec.json.decode(_line(), type=kind)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        result = build(job, reporter)
    except BaseException as error:
        import traceback

        reporter.send(failed(error, job))
        traceback.print_exc()  # last, as it may itself fail for want of memory
        return 1
    reporter.send(Done(result))
    return 0


def verdict(error: BaseException, out: Path) -> Failed | None:
    """Say what ended a build as far as the error itself tells: memory, the disk, a sentence of ours; else None."""
    text = str(error) or type(error).__name__
    if isinstance(error, OutOfMemory) or memory.ran_out(error):
        return Failed("memory", [text])
    if isinstance(error, OSError) and error.errno is not None:
        return Failed("disk", [error.strerror or text], error.errno)
    if any(words in text for words in _NOT_WRITTEN):
        # C++ streams do not say why a write failed; a disk that is nearly full now was full then.
        full = shutil.disk_usage(out).free < _NEARLY_FULL
        code = errno.ENOSPC if full else errno.EIO
        return Failed("disk", [os.strerror(code)], code)
    if isinstance(error, (CompileError, UnsupportedModel)):
        kind = "unsupported" if isinstance(error, UnsupportedModel) else "build"
        return Failed(kind, list(error.problems))
    return None


def first_lines(text: str, most: int = 600) -> str:
    """Return the beginning of a text as one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[:most]}…"


def _die_with_parent() -> None:
    parent = os.getppid()
    with suppress(OSError, AttributeError):  # Linux only; elsewhere the end of stdin has to do
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _line() -> bytes:
    """Read the job's line from the descriptor: a thread blocked in sys.stdin would break the interpreter's end."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1 << 16)
        if not piece:
            os._exit(1)
        line += piece
    return line


def _end_with_stdin() -> None:
    while os.read(0, 1 << 16):
        pass
    os._exit(1)
