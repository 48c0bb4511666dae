"""Where each token of a prompt stands in its text."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.formats.vocabulary import Vocabulary


def offsets(text: str, ids: Sequence[int], vocabulary: Vocabulary) -> list[int]:
    """Return the character of `text` at which each token begins.

    A token that is not in the text, as a beginning-of-sequence token, stands where the next one does. One that begins
    inside a character stands at that character.
    """
    raw = text.encode("utf-8", "surrogatepass")
    found: list[int] = []
    at = characters = 0
    for token in ids:
        inside = at < len(raw) and raw[at] & 0xC0 == 0x80
        found.append(characters - 1 if inside else characters)
        past = _past(raw, at, vocabulary.bytes(token), special=token in vocabulary.special_ids)
        characters += sum(byte & 0xC0 != 0x80 for byte in raw[at:past])
        at = past
    return found


def _past(raw: bytes, at: int, own: bytes, *, special: bool) -> int:
    if raw.startswith(own, at):
        return at + len(own)
    if special:
        return at
    # The space that some tokenizers put in front of a text.
    bare = own.lstrip(b" ")
    if raw.startswith(bare, at):
        return at + len(bare)
    return min(at + len(own), len(raw))
