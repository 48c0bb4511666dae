"""The kinds of values that request parameters have: types with ranges, and how an error text calls them.

`null` is the same as not set everywhere, so every parameter is one of these kinds or None.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

MAX_TOKENS = 2**31 - 1
MAX_STOPS = 64
MAX_STOP_CHARACTERS = 1024
MAX_NAME = 256
MAX_ITEMS = 16_384


def whole(low: int, high: int, text: str, note: str = "") -> Meta:
    """Whole numbers from `low` to `high`; `note` explains the lowest."""
    return Meta(
        ge=low, le=high, description=text, extra={"allowed": f"a whole number from {low}{note} to {high}"}
    )


def between(low: float, high: float, text: str) -> Meta:
    """Numbers from `low` to `high`."""
    return Meta(ge=low, le=high, description=text, extra={"allowed": f"a number from {low:g} to {high:g}"})


def says(allowed: str, text: str) -> Meta:
    """Anything of the type; `allowed` is how to call it."""
    return Meta(description=text, extra={"allowed": allowed})


FLAG = "true or false"
TEXT = "a text"
JSON_OBJECT = "an object"
STOPS = f"a text or a list of at most {MAX_STOPS} texts, each of 1 to {MAX_STOP_CHARACTERS} characters"
CHOICES = "a list of 1 to 1024 texts, each of at least 1 character"
BIASES = "an object of token ids and numbers from -100 to 100"

Name = Annotated[str, Meta(max_length=MAX_NAME)]
Stop = Annotated[str, Meta(min_length=1, max_length=MAX_STOP_CHARACTERS)]
Stops = Annotated[list[Stop], Meta(max_length=MAX_STOPS)]
Choices = Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=1024)]
Biases = dict[Annotated[int, Meta(ge=0, le=MAX_TOKENS)], Annotated[float, Meta(ge=-100, le=100)]]
Ignored = Annotated[Any, says("anything", "Taken and without effect here.")]
