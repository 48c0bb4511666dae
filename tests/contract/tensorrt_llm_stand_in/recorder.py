"""The calls that the stand-in was given, in memory and, for other processes, as JSON lines in a file."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `method` is "" for a function and `__init__` for a constructor; `arguments` are those given, as JSON.

    An object of the library is `{"__class__": "BuildConfig", ...its attributes}`, a member of an enum its name.
    """

    symbol: str
    method: str
    arguments: dict[str, Any]
    rank: int = 0
    pid: int = 0

    @property
    def name(self) -> str:
        """The last part of the symbol."""
        return self.symbol.rsplit(".", 1)[-1]


class Recorder:
    """Calls in the order in which they were made."""

    def __init__(self, log: Path | None = None, rank: int = 0) -> None:
        self.calls: list[Call] = []
        self._log = log
        self._rank = rank
        self._lock = threading.Lock()
        self._aside = threading.local()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave out the calls of this thread while the block runs: they are the library's own."""
        depth = getattr(self._aside, "depth", 0)
        self._aside.depth = depth + 1
        try:
            yield
        finally:
            self._aside.depth = depth

    def add(self, symbol: str, method: str, arguments: dict[str, Any]) -> None:
        """Take a call."""
        if getattr(self._aside, "depth", 0):
            return
        call = Call(symbol, method, {k: plain(v) for k, v in arguments.items()}, self._rank, os.getpid())
        with self._lock:
            self.calls.append(call)
            if self._log is not None:
                with self._log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(call)) + "\n")

    def of(self, name: str, method: str | None = None) -> list[Call]:
        """Return the calls of a symbol, by full name or last part, and of one method where it is given."""
        return [c for c in self.calls if name in (c.symbol, c.name) and method in (None, c.method)]

    def methods(self, method: str) -> list[Call]:
        """Return the calls of a method, whatever the class."""
        return [call for call in self.calls if call.method == method]

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)


def read(log: Path) -> Recorder:
    """Return the calls that processes wrote to a log file; none where there is no file."""
    recorder = Recorder()
    if log.exists():
        recorder.calls = [Call(**json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]
    return recorder


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if (type(value).__module__, type(value).__name__) == ("torch", "Tensor"):
        return {"__class__": "Tensor", "dtype": str(value.dtype), "values": plain(value.tolist())}
    fields = getattr(value, "_plain", None)
    return {"__class__": type(value).__name__, **plain(fields())} if callable(fields) else repr(type(value))
