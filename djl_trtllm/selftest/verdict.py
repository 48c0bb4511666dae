"""How one check ended."""

from __future__ import annotations

from dataclasses import dataclass

OK, FAILED, UNSUPPORTED = "ok", "failed", "not supported"

LOAD = "load"
"""The check in which a model is compiled and opened."""

END = "end"
"""Written last, so that what is missing before it was cut off."""


class CheckFailed(Exception):
    """What a check found is not what it should be. The message is shown to the user."""


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict of one check, how long it took, and in a sentence what was found."""

    name: str
    verdict: str
    seconds: float
    message: str = ""
