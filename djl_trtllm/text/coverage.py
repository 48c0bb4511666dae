"""How much text one token can stand for at most, so that a huge prompt is refused without being tokenised.

The bound must never be too low, so anything that could drop text (an unknown token for a whole run, a normalizer that
removes characters, an added token that swallows the blanks around it) means that there is no bound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import models

from djl_trtllm.text.table import BYTE_OF

_UNICODE_SHRINKS = 4
"""Unicode's normal forms make text at most so many times shorter in bytes (a test goes through all characters)."""

_KEEPING = {"ByteLevel", "Metaspace", "Digits", "Split", "Punctuation", "UnicodeScripts"}


def longest_token_bytes(tokenizer: Any) -> int:
    """Return the most UTF-8 bytes of a text that one token can stand for; 0 if nothing limits them.

    A character of GPT-2's alphabet is one byte of text; tokens that are not spelled in it never match any, unless
    they were added.
    """
    added = tokenizer.get_added_tokens_decoder().values()
    if any(token.lstrip or token.rstrip for token in added):
        return 0
    shrinks = _shrinks(_description(tokenizer.normalizer))
    steps = _flat(_description(tokenizer.pre_tokenizer), "pretokenizers")
    if not shrinks or any(
        step["type"] not in _KEEPING or step.get("behavior") == "Removed" for step in steps
    ):
        return 0
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    byte_level = any(step["type"] == "ByteLevel" for step in steps)
    if not _every_byte(vocabulary, byte_level) or not isinstance(tokenizer.model, models.BPE):
        return 0
    if not byte_level and not tokenizer.model.byte_fallback:
        return 0
    lengths = map(len, vocabulary) if byte_level else map(len, map(str.encode, vocabulary))
    longest = max(*lengths, *(len(token.content.encode()) for token in added))
    return longest * shrinks


def _every_byte(vocabulary: Mapping[str, int], byte_level: bool) -> bool:
    if byte_level:
        return BYTE_OF.keys() <= vocabulary.keys()
    return all(f"<0x{byte:02X}>" in vocabulary for byte in range(256))


def _shrinks(normalizer: Mapping[str, Any]) -> int:
    """By how much the normalizer can make a text shorter, 0 for without limit."""
    factor = 1
    for step in _flat(normalizer, "normalizers"):
        kind = step["type"]
        if kind in ("NFC", "NFKC", "NFD", "NFKD"):
            factor *= _UNICODE_SHRINKS
        elif kind == "Replace":
            pattern = step["pattern"].get("String", "")
            if not pattern or len(step["content"].encode()) < len(pattern.encode()):
                return 0
        elif kind != "Prepend":
            return 0
    return factor


def _description(part: Any) -> dict[str, Any]:
    if part is None:
        return {}
    description: dict[str, Any] = json.loads(part.__getstate__())
    return description


def _flat(step: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    if step.get("type") == "Sequence":
        return [inner for part in step[key] for inner in _flat(part, key)]
    return [step] if step else []
