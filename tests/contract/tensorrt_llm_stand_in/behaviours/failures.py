"""What goes wrong in a step of a batch."""

from __future__ import annotations


class StepFailed(Exception):
    """A step gave nothing: every request in flight ends with this text. `fatal`: nothing will ever run again."""

    def __init__(self, text: str, *, fatal: bool = True) -> None:
        super().__init__(text)
        self.fatal = fatal
