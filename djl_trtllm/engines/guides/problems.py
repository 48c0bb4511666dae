"""What is surely wrong with a guide, found by reading it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from djl_trtllm.core import Guide, GuideKind
from djl_trtllm.engines.guides import grammar, regex, schema
from djl_trtllm.errors import InvalidRequest

_READERS: Mapping[GuideKind, Callable[[str], str | None]] = {
    GuideKind.JSON: schema.problem,
    GuideKind.REGEX: regex.problem,
    GuideKind.GRAMMAR: grammar.problem,
}


def problem(guide: Guide, most: int) -> InvalidRequest | None:
    """Return why a guide cannot be enforced, None where nothing is seen. `most` is option.guide_max_bytes."""
    found = _size(guide, most) or _READERS[guide.kind](guide.text)
    return None if found is None else InvalidRequest(f"The {guide.kind.value} {found}.")


def _size(guide: Guide, most: int) -> str | None:
    if not guide.text.strip():
        return "is empty"
    try:
        size = len(guide.text.encode())
    except UnicodeEncodeError:
        return "holds one half of a surrogate pair, which is no character"
    if size > most:
        return f"has {size} bytes, the limit is {most} (option guide_max_bytes)"
    # The libraries that enforce guides hand them on as C strings here and there.
    return "holds a NUL character" if "\0" in guide.text else None
