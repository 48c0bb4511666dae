"""What a large body may hold: long texts and long lists of messages and token ids, but little else.

Decoding takes time and memory by the value, not by the byte, and it holds up every other request meanwhile. So a large
body is looked over first, which makes nothing of its values.
"""

from __future__ import annotations

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas import careful, repeats

LARGE = 2**20
"""Bytes over which a body is looked over, and the most that a field may have that is no prompt."""

MAX_NAMES = 1024
MAX_VALUES = 1_000_000
_PROMPTS = ("inputs", "messages", "prompt")


def check(body: bytes) -> None:
    """Refuse with `InvalidRequest` a large body that holds too much."""
    fields = careful.read_object(body)
    if len(fields) > MAX_NAMES:
        raise InvalidRequest(f"The body has {len(fields)} names; at most {MAX_NAMES} are read.")
    problems = []
    for name, raw in fields.items():
        if name not in _PROMPTS:
            if len(raw) > LARGE:
                who = name if repeats.NAME.fullmatch(name) else "An unknown name"
                problems.append(f"{who} has {len(raw)} bytes; at most {LARGE} are read.")
        # Commas of texts are counted too: a million are in no prompt that a model can take.
        elif not careful.is_text(raw) and bytes(raw).count(b",") >= MAX_VALUES:
            problems.append(f"{name} has too many values; at most {MAX_VALUES} are read.")
    if problems:
        raise InvalidRequest(*problems)
