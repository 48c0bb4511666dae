"""Logging under DJL: the worker's stdout is the log, one line a record."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from djl_trtllm.options.secrets import Redaction
from djl_trtllm.telemetry.lines import JsonLines, TextLines

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_AT_ONCE = 4096
"""Bytes that a pipe takes whole, whoever else writes to it (Linux's PIPE_BUF)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How records are written. `secrets` are the maps in which credentials may stand: environment and options."""

    json: bool = False
    rank: int = 0
    secrets: tuple[Mapping[str, object], ...] = field(default=(), repr=False)


def configure(settings: Settings = Settings()) -> None:
    """Give the package's logger its own stdout handler, once, whatever DJL set on the root logger.

    DJL 0.27 configures the root logger at INFO with bare messages, 0.33 and later by `--log-level`; records of this
    package do not pass through it, so that a line looks the same on every version. Ranks other than 0 tell what they
    do only where something is wrong. Errors that nothing catches are told without their text.
    """
    logger = logging.getLogger("djl_trtllm")
    if logger.handlers:
        return
    redaction = Redaction(*settings.secrets)
    handler = _Handler(sys.stdout)
    handler.setFormatter(JsonLines(redaction, settings.rank) if settings.json else TextLines(redaction))
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if settings.rank else logging.INFO)
    logger.propagate = False
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _uncaught
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _unraisable


def hide(text: str) -> str:
    """Return a text without the credentials that the log was told of, for what is said elsewhere than in it."""
    for handler in logging.getLogger("djl_trtllm").handlers:
        if isinstance(handler.formatter, (JsonLines, TextLines)):
            return handler.formatter.hide(text)
    return text


def as_json() -> bool:
    """Whether records are written as JSON; what else this process has printed should be too."""
    handlers = logging.getLogger("djl_trtllm").handlers
    return any(isinstance(handler.formatter, JsonLines) for handler in handlers)


def describe(error: BaseException) -> str:
    """Name an unexpected error and where it arose, without its text: that may quote a prompt."""
    frames = traceback.extract_tb(error.__traceback__)
    place = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
    return f"{type(error).__name__} at {place or 'unknown place'}"


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes whole lines, as many at once as no other process that has the same pipe can write into."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record's lines."""
        try:
            for part in _parts(self.format(record)):
                self.stream.write(part)
                self.flush()
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say which record could not be written; logging would print its arguments."""
        with suppress(Exception):
            self.stream.write(
                f"ERROR djl_trtllm a record of {record.name}:{record.lineno} could not be written\n"
            )
            self.flush()


def _parts(text: str) -> Iterator[str]:
    """Yield a text and the end of its last line in parts that end with a line, short enough where the lines are."""
    begin = 0
    while len(text) - begin >= _AT_ONCE:
        end = text.rfind("\n", begin, begin + _AT_ONCE) + 1 or text.find("\n", begin) + 1
        if not end:
            break
        yield text[begin:end]
        begin = end
    yield f"{text[begin:]}\n"


def _uncaught(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and not isinstance(found.exc_value, SystemExit):
        name = found.thread.name if found.thread is not None else "?"
        log.error("the thread %s ended: %s", name, describe(found.exc_value))


def _unraisable(found: UnraisableHookArgs) -> None:
    if found.exc_value is not None:
        log.error("an error could not be raised: %s", describe(found.exc_value))
