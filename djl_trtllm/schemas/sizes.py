"""What a large body may hold: long texts and long lists of messages and token ids, but little else.

Decoding takes time and memory by the value, not by the byte, and it holds up every other request meanwhile. So a large
body is looked over first, which makes nothing of its values; and a prompt that cannot fit is refused unread.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas import careful, repeats
from djl_trtllm.schemas.kinds import MAX_ITEMS
from djl_trtllm.schemas.site import Room

LARGE = 2**20
"""Bytes over which a body is looked over, and the most that a field may have that is no prompt."""

MAX_NAMES = 1024
MAX_VALUES = 1_000_000
_PROMPTS = ("inputs", "messages", "prompt")


def check(body: bytes, room: Room | None = None) -> None:
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
        elif len(raw) > LARGE and not careful.is_text(raw):
            problems += _too_many(body, name)
    if problems:
        raise InvalidRequest(*problems)
    if room is not None:
        _check_room(body, fields, room)


def _too_many(body: bytes, name: str) -> list[str]:
    """Say that the list or object which most of a body is has too many values."""
    # Commas of texts are counted too: a million are in no prompt that a model can take.
    if body.count(b",") >= MAX_VALUES:
        return [f"{name} has too many values; at most {MAX_VALUES} are read."]
    # Escaped quotation marks are not counted, so these are texts and names; a message has two names and two texts.
    texts = (body.count(b'"') - body.count(b'\\"')) // 2
    if texts > MAX_ITEMS and name != "messages":
        return [f"{name} has too many texts; at most {MAX_ITEMS} are read."]
    if name == "messages" and body.count(b'"role"') > 2 * MAX_ITEMS:
        return [f"messages has too many messages; at most {MAX_ITEMS} are read."]
    return []


def _check_room(body: bytes, fields: Mapping[str, msgspec.Raw], room: Room) -> None:
    """Refuse a prompt that is too long for the model whatever it says, unless it is to be truncated."""
    others = [bytes(raw) for name, raw in fields.items() if name not in _PROMPTS]
    if any("truncate" in name for name in fields) or any(b"truncate" in raw for raw in others):
        return
    for name, raw in fields.items():
        if len(raw) <= LARGE or name not in _PROMPTS:
            continue
        refusal = None
        # JSON spells a byte of text as itself, with a backslash and one more, or with `\u` and four.
        text_bytes = len(raw) - body.count(b"\\") - 4 * body.count(b"\\u")
        if careful.is_text(raw):
            refusal = room.refusal("The prompt", text_bytes=text_bytes - 2)
        elif name == "messages":
            # Templates may leave parts of messages out, but not half of them.
            refusal = room.refusal("The conversation", text_bytes=text_bytes // 2)
        elif _is_ids(raw):
            commas = body.count(b",") - len(fields) - sum(other.count(b",") for other in others)
            refusal = room.refusal("The prompt", tokens=commas + 1)
        if refusal is not None:
            raise refusal


def _is_ids(raw: msgspec.Raw) -> bool:
    """Whether a value is a list of numbers, as far as its beginning tells."""
    beginning = bytes(memoryview(raw)[1:64]).lstrip()
    return beginning[:1].isdigit()
