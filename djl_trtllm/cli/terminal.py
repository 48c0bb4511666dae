"""A terminal that rich can draw on: colours, tables as wide as it is, and a bar for long work.

rich honours NO_COLOR, FORCE_COLOR and COLUMNS by itself. Texts are shown as they are: no markup, no highlighting.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager

from rich import progress as bars
from rich.console import Console as Screen
from rich.table import Table
from rich.text import Text

from djl_trtllm.cli.console import LogLines, Look, Talk
from djl_trtllm.core import Progress

_STYLES = {
    "": "",
    "good": "green",
    "warn": "yellow",
    "bad": "bold red",
    "dim": "dim",
    "strong": "bold",
}


def _screen(*, stderr: bool = False) -> Screen:
    return Screen(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=False)


class TerminalTalk:
    """Notes and progress on a terminal's stderr."""

    def __init__(self) -> None:
        self._screen = _screen(stderr=True)

    def note(self, text: str, look: Look = "") -> None:
        """Say a line."""
        self._screen.print(Text(text, style=_STYLES[look]), soft_wrap=True)

    def progress(self, title: str) -> AbstractContextManager[Progress]:
        """Show a bar for each stage."""
        return _Bar(title, self._screen, self)


class Terminal:
    """A `Console` on a terminal's stdout."""

    def __init__(self, talk: Talk) -> None:
        self._screen = _screen()
        self._begun = False
        self.note = talk.note
        self.progress = talk.progress

    def heading(self, text: str) -> None:
        """Begin a part of the output."""
        if self._begun:
            self._screen.print()
        self.line(text, "strong")

    def line(self, text: str = "", look: Look = "") -> None:
        """Show a line; one that is too long is continued by the terminal, so that it can be copied whole."""
        self._begun = True
        self._screen.print(Text(text, style=_STYLES[look]), soft_wrap=True)

    def raw(self, text: str) -> None:
        """Show lines as they are."""
        self._begun = True
        self._screen.file.write(f"{text}\n")

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()
    ) -> None:
        """Show a table of the terminal's width; the first column is never broken."""
        self._begun = True
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for at, title in enumerate(columns):
            table.add_column(
                Text(title),
                justify="right" if title in right else "left",
                no_wrap=at == 0,
                overflow="fold",
                style="cyan" if at == 0 else "",
            )
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._screen.print(table)

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show names with their values; a long value is continued under its beginning."""
        self._begun = True
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(Text(f"  {name}"), Text(value))
        self._screen.print(table)

    def document(self, value: object) -> None:
        """Show nothing: this is for programs."""

    def errors(self, problems: Sequence[str]) -> None:
        """Say what went wrong."""
        for problem in problems:
            self.note(f"error: {problem}", "bad")


class _Bar(AbstractContextManager[Progress]):
    """A bar for the stage that runs, and a line for each that is done. The package's log is shown above it."""

    def __init__(self, title: str, screen: Screen, talk: Talk) -> None:
        self._title = title
        self._stage = ""
        self._talk = talk
        self._lines = LogLines(talk)
        self._bars = bars.Progress(
            bars.SpinnerColumn(),
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(),
            bars.TaskProgressColumn(),
            bars.TimeElapsedColumn(),
            console=screen,
            transient=True,
        )
        self._task: bars.TaskID | None = None

    def __enter__(self) -> Progress:
        self._lines.__enter__()
        self._bars.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._done()
        self._bars.stop()
        self._lines.__exit__()

    def stage(self, name: str, percent: float | None = None) -> None:
        """Enter a stage, or move its bar."""
        if name != self._stage or self._task is None:
            self._done()
            self._stage = name
            self._task = self._bars.add_task(f"{self._title}: {name}", total=None)
        if percent is not None:
            self._bars.update(self._task, total=100.0, completed=percent)

    def _done(self) -> None:
        if self._task is None:
            return
        seconds = next(task.elapsed for task in self._bars.tasks if task.id == self._task) or 0.0
        self._bars.remove_task(self._task)
        self._task = None
        self._talk.note(f"{self._title}: {self._stage}, {seconds:.1f} s", "dim")
