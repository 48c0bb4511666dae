"""What a command shows: tables and colours on a terminal, plain lines elsewhere, one JSON document with --json.

A command calls all of `Console` in every case and asks nothing: `document` shows nothing to people, and everything else
but `note` and `errors` shows nothing to programs. Results go to stdout; progress, notes and errors to stderr, so that a
result can be piped. With --json an error is a document as well: {"error": [sentence, ...]}.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TextIO

from djl_trtllm.compile.progress import LogProgress
from djl_trtllm.core import Progress

Look = Literal["", "good", "warn", "bad", "dim", "strong"]
"""How a line looks on a terminal. What it means must be in its words."""

logger = logging.getLogger("djl_trtllm")


class Console(Protocol):
    """Where a command's output goes. Texts are one line each, without markup."""

    def heading(self, text: str) -> None:
        """Begin a part of the output."""
        ...

    def line(self, text: str = "", look: Look = "") -> None:
        """Show a line of the result."""
        ...

    def raw(self, text: str) -> None:
        """Show lines that are meant to be copied or piped: never coloured or wrapped."""
        ...

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()
    ) -> None:
        """Show rows under column titles; `right` names the columns of numbers."""
        ...

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show names with their values, one a line."""
        ...

    def document(self, value: object) -> None:
        """Write the whole result for a program; once, and only with --json."""
        ...

    def note(self, text: str, look: Look = "") -> None:
        """Say something that is not part of the result."""
        ...

    def errors(self, problems: Sequence[str]) -> None:
        """Say what went wrong, a sentence or more each."""
        ...

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        """Show long work while it lasts, and the package's log with it."""
        ...


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add --json, which every command takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def of(as_json: bool, environ: Mapping[str, str] = os.environ) -> Console:
    """Return the console for this process's stdout and stderr."""
    talk: Talk = _PlainTalk()
    if _is_rich(sys.stderr, environ):
        from djl_trtllm.cli.terminal import TerminalTalk

        talk = TerminalTalk()
    if as_json:
        return _Json(talk)
    if _is_rich(sys.stdout, environ):
        from djl_trtllm.cli.terminal import Terminal

        return Terminal(talk)
    return _Plain(talk)


def _is_rich(stream: TextIO, environ: Mapping[str, str]) -> bool:
    dumb = environ.get("TERM", "").lower() in ("dumb", "unknown")
    return stream.isatty() and not dumb and importlib.util.find_spec("rich") is not None


class Talk(Protocol):
    """What goes to stderr."""

    def note(self, text: str, look: Look = "") -> None:
        """Say a line."""
        ...

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        """Show long work."""
        ...


class LogLines(logging.Handler):
    """Shows the package's log as notes while it is entered: messages as they are, warnings by name."""

    def __init__(self, talk: Talk) -> None:
        super().__init__(logging.INFO)
        self._talk = talk
        self._level = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        if record.levelno >= logging.WARNING:
            word = "warning" if record.levelno == logging.WARNING else "error"
            self._talk.note(f"{word}: {record.getMessage()}", "warn" if word == "warning" else "bad")
        else:
            self._talk.note(record.getMessage(), "dim")

    def __enter__(self) -> LogLines:
        self._level = logger.level
        logger.addHandler(self)
        if not logger.isEnabledFor(logging.INFO):
            logger.setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        logger.removeHandler(self)
        logger.setLevel(self._level)


class _LoggedProgress(AbstractContextManager[Progress]):
    """Progress as lines: each stage, each tenth, and a heartbeat."""

    def __init__(self, title: str, talk: Talk) -> None:
        self._lines = LogLines(talk)
        self._progress = LogProgress(title, logging.getLogger("djl_trtllm.cli"))

    def __enter__(self) -> Progress:
        self._lines.__enter__()
        return self._progress.__enter__()

    def __exit__(self, *_: object) -> None:
        self._progress.__exit__(None, None, None)
        self._lines.__exit__()


class _PlainTalk:
    def note(self, text: str, look: Look = "") -> None:  # noqa: ARG002
        print(text, file=sys.stderr, flush=True)

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        return _LoggedProgress(title, self)


class _Plain:
    """Plain lines, never wrapped or cut."""

    def __init__(self, talk: Talk) -> None:
        self.note = talk.note
        self.progress = talk.progress
        self._begun = False

    def heading(self, text: str) -> None:
        if self._begun:
            print()
        self.line(text)

    def line(self, text: str = "", look: Look = "") -> None:  # noqa: ARG002
        self.raw(text)

    def raw(self, text: str) -> None:
        self._begun = True
        print(text)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()
    ) -> None:
        whole = [columns, *rows]
        widths = [max(len(row[at]) for row in whole) for at in range(len(columns))]
        for row in whole:
            cells = [
                cell.rjust(width) if title in right else cell.ljust(width)
                for cell, width, title in zip(row, widths, columns, strict=True)
            ]
            self.line("  ".join(cells).rstrip())

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            self.line(f"  {name.ljust(width)}  {value}".rstrip())

    def document(self, value: object) -> None:
        pass

    def errors(self, problems: Sequence[str]) -> None:
        for problem in problems:
            self.note(f"error: {problem}", "bad")


class _Json:
    """One document, and nothing else, on stdout."""

    def __init__(self, talk: Talk) -> None:
        self.note = talk.note
        self.progress = talk.progress
        self._written = False

    def heading(self, text: str) -> None:
        pass

    def line(self, text: str = "", look: Look = "") -> None:
        pass

    def raw(self, text: str) -> None:
        pass

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()
    ) -> None:
        pass

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        pass

    def document(self, value: object) -> None:
        if self._written:
            raise RuntimeError("a command writes one document")
        self._written = True
        print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)

    def errors(self, problems: Sequence[str]) -> None:
        if self._written:  # what came before stands; a second document would be no JSON
            for problem in problems:
                self.note(f"error: {problem}", "bad")
        else:
            self.document({"error": list(problems)})
