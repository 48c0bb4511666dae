"""The kind of `output_formatter`: a format's name, or where a model author's own formatter is found."""

from __future__ import annotations

import re

from djl_trtllm.options.kinds import Kind
from djl_trtllm.options.nearest import nearest

FORMATS = (
    "json",
    "jsonlines",
    "sse",
    "json_chat",
    "jsonlines_chat",
    "sse_chat",
    "completions",
    "tgi",
    "text",
)
"""The names of `formats.registry`, which options cannot import."""

_PLACE = re.compile(r"[^:\s]+:[^\W\d]\w*")


def _parse(text: str) -> str:
    name = text.lower()
    if name in FORMATS:
        return name
    if _PLACE.fullmatch(text):
        return text
    # A name like that of a format is a slip of it; a function that is called so can be given with its file.
    if text.isidentifier() and nearest(text, FORMATS) is None:
        return f"model.py:{text}"
    raise ValueError(text)


FORMATTER = Kind(
    "name or place",
    f"one of {', '.join(FORMATS)}, or the place of an own formatter: MODULE:FUNCTION, FILE.py:FUNCTION in the "
    "model directory, or a function of its model.py",
    _parse,
)
"""The value of an own formatter always has a colon in it."""
