"""Log records as lines, of text or of JSON, in which no client can write a line of its own and no secret stands.

DJL reads a worker's lines: `[METRICS]` makes one a metric, `ModelServerTelemetry:` has 0.36 drop it, and "Python engine
started." belongs to djl_python. A record that quotes one of them is written with a dash in it.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Iterator

import msgspec

from djl_trtllm.options.secrets import Redaction, clean
from djl_trtllm.telemetry.told import Told

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DJL = re.compile(r"\[(?=METRICS\])|(?<=ModelServer)(?=Telemetry:|Error:)|(?<=Python engine )(?=started\.)")


class Lines(logging.Formatter):
    """What both formats have in common: texts are searched for secrets and for whatever would not stay one line."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self.hide = redaction.hide

    def text(self, message: str) -> str:
        """Return a message as what may be written, in one line."""
        message = self.hide(message)
        if _CONTROL.search(message) is not None:
            message = _CONTROL.sub(escaped, message)
        return _DJL.sub("-", message) if _DJL.search(message) is not None else message

    def trace(self, error: BaseException) -> Iterator[str]:
        """Yield the lines of a traceback: places, kinds and texts, which are cleaned; no source and no values."""
        for one in reversed(list(_chain(error))):
            yield "Traceback (most recent call last):"
            for frame in traceback.extract_tb(one.__traceback__):
                yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
            first, *more = clean(str(one)).splitlines() or [""]
            yield self.text(f"{type(one).__name__}: {first}" if first else type(one).__name__)
            yield from (f"    {self.text(line)}" for line in more)


class TextLines(Lines):
    """`LEVEL djl_trtllm message`, and a traceback in the lines after it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        prefix = f"{record.levelname} djl_trtllm "
        message = record.msg
        if isinstance(message, Told):
            if not message.searched:
                return message.text(prefix)
            return prefix + f"\n{prefix}".join([self.text(line) for line in message.lines()])
        lines = [prefix + self.text(record.getMessage())]
        if record.exc_info and record.exc_info[1] is not None:
            lines += self.trace(record.exc_info[1])
        return "\n".join(lines)


class _Line(msgspec.Struct, omit_defaults=True, gc=False):
    time: str
    level: str
    logger: str
    message: str
    rank: int = 0
    fields: object = None
    traceback: list[str] | None = None


class JsonLines(Lines):
    """A JSON object a line: `time` (UTC), `level`, `logger`, `message`, `fields`; `rank` where it is not 0."""

    def __init__(self, redaction: Redaction, rank: int = 0) -> None:
        super().__init__(redaction)
        self._rank = rank
        self._encode = msgspec.json.Encoder().encode
        self._second = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        told = record.msg
        if isinstance(told, Told):

            def encode(message: str, fields: object = None, age: float = 0.0) -> str:
                return self._line(record, message, fields, age)

            lines = told.objects(encode)
            return "\n".join([self.text(line) for line in lines] if told.searched else lines)
        error = record.exc_info[1] if record.exc_info else None
        trace = None if error is None else [line.strip() for line in self.trace(error)]
        return self._line(record, self.text(record.getMessage()), trace=trace)

    def _line(
        self,
        record: logging.LogRecord,
        message: str,
        fields: object = None,
        age: float = 0.0,
        trace: list[str] | None = None,
    ) -> str:
        stamp = self._stamp(record.created - age)
        line = _Line(stamp, record.levelname, record.name, message, self._rank, fields, trace)
        return self._encode(line).decode()

    def _stamp(self, at: float) -> str:
        second = int(at)
        if second != self._second[0]:  # a date is made once a second
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f"{self._second[1]}.{int((at - second) * 1000):03d}Z"


def escaped(found: re.Match[str]) -> str:
    """Return a character as Python's escape for it."""
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, latest first."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        yield one
        seen.add(id(one))
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
