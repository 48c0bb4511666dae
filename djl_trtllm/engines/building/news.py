"""What a build child says to the worker that started it: JSON lines, one message a line."""

from __future__ import annotations

import msgspec


class Stage(msgspec.Struct, frozen=True, tag="stage"):
    """Progress: what is being done, and how far it is where that is known."""

    name: str
    percent: float | None = None


class Note(msgspec.Struct, frozen=True, tag="note"):
    """A line for the worker's log."""

    text: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The build's end when it has failed: `memory`, `disk` (with errno), `unsupported`, or `build`."""

    kind: str
    problems: list[str]
    errno: int | None = None


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The build's end when it is whole, with what it found out where that was its purpose."""

    result: dict[str, object] | None = None


News = Stage | Note | Failed | Done
