"""What can be told of a guide from its text alone, without the library that enforces it."""

from __future__ import annotations

from djl_trtllm.core import Guide, GuideKind, Limit
from djl_trtllm.engines.openvino import guide_schema


def too_long(guide: Guide, most: Limit) -> str:
    """Return the sentence for a guide that is longer than the limit, or nothing."""
    size = len(guide.text.encode("utf-8", "surrogatepass"))
    if size <= most.value:
        return ""
    return f"The {guide.kind.value} has {size} bytes, the limit is {most.value} ({most.source}); shorten it."


def problem(guide: Guide) -> str:
    """Return the sentence for a guide that the library misreads or does not take, or nothing."""
    the = f"The {guide.kind.value}"
    if "\0" in guide.text:
        # The library takes it for the end of the text, and enforces what is before it (observed).
        return f"{the} has a null character, which cannot be enforced."
    try:
        guide.text.encode("utf-8")
    except UnicodeEncodeError:
        return f"{the} has half of a surrogate pair, which is no character."
    if guide.kind is GuideKind.JSON:
        reason = guide_schema.problem(guide.text)
        return f"{the} cannot be enforced: {reason}." if reason else ""
    return ""
