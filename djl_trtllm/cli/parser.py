"""The parser of every command: help that fits the terminal, and wrong usage that programs can read."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a command adds its parser."""

_ROOM = 30
"""Columns before what an argument does."""


class Help(argparse.HelpFormatter):
    """Fills paragraphs to the terminal's width; one with an indented line is shown as it is."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, max_help_position=_ROOM, **more)

    def add_argument(self, action: argparse.Action) -> None:
        """Make room for the names of commands, which are indented once more."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            longest = max(map(len, action.choices), default=0)
            self._action_max_length = max(self._action_max_length, longest + 2 * self._indent_increment)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled = (
            textwrap.indent(part, indent)
            if re.search(r"^ ", part, re.MULTILINE)
            else textwrap.fill(part, width, initial_indent=indent, subsequent_indent=indent)
            for part in re.split(r"\n\s*\n", text.strip("\n"))
        )
        return "\n\n".join(filled)


class Parser(argparse.ArgumentParser):
    """A parser that tells wrong usage to programs too: with --json anywhere, as a document on stdout."""

    asked: Sequence[str] = ()
    """The arguments of this run."""

    def __init__(self, *args: Any, **more: Any) -> None:
        more.setdefault("formatter_class", Help)
        super().__init__(*args, **more)

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and how the command is used."""
        if "--json" in Parser.asked:
            from djl_trtllm.cli import console

            console.of(as_json=True).errors([f"{message}."])
        super().error(message)
