"""What a stream must say, worked out apart from the code under test, and random input for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache

from tokenizers import Tokenizer, decoders

from djl_trtllm.text.detokenizer import Detokenizer, Detokenizers, Way
from djl_trtllm.text.vocabulary import Vocabulary
from tests.support.vocabularies import (
    BY_TABLE,
    BYTE_LEVEL,
    KINDS,
    STRIPPING,
    TEXTS,
    WITH_BYTE_FALLBACK,
    vocabulary,
)

HAS_STREAM = hasattr(decoders, "DecodeStream")  # tokenizers 0.21 and later
WAYS: tuple[Way, ...] = ("table", "stream", "window") if HAS_STREAM else ("table", "window")
PAIRS = [(kind, way) for kind in KINDS for way in WAYS if way != "table" or kind in BY_TABLE]

SCRIPTS = (
    "etaoinshrdlu ETA ",
    "äöüßéèñçãőźğ ",
    "авгдежзиклмнопрстуфхя ",
    "اأبتثجحخدذرزسشصضعغفقكلمنهويى ",
    "अआइईकखगघचजटडतथदनपबमयरलवशसह" + "\u093e\u093f\u0940\u0941\u0947\u094d\u0902 ",
    "กขคงจชซดตถทนบปพมยรลวสหอ" + "\u0e31\u0e34\u0e35\u0e38\u0e48\u0e49 ",
    "日本語漢字国学生天地玄黄宇宙洪荒",
    "ひらがなカタカナー",
    "한국어조선말가나다라마바사 ",
    "0123456789.,:;!?()[]{}\"'-/\\",
    "\n\t  ",
)
WHOLE = (
    "😀",
    "👩\u200d👩\u200d👧\u200d👦",
    "🏳\ufe0f\u200d🌈",
    "🇩🇪🇯🇵",
    "👍🏽",
    TEXTS[8].split()[3],  # a flag of seven characters
    "e\u0301",
    "o\u0302\u0323",
    "\u200b",
    "\U00012347",
)


@cache
def maker(kind: str, way: Way) -> Detokenizers:
    return Detokenizers(Vocabulary(vocabulary(kind)), way)


def stream(
    kind: str, way: Way, prompt: Sequence[int], ids: Sequence[int], skip: bool
) -> tuple[list[str], str]:
    """The texts of the steps, and the tail."""
    detokenizer: Detokenizer = maker(kind, way).make(prompt, skip)
    return [detokenizer.step(token_id) for token_id in ids], detokenizer.flush()


def prompt_ids(kind: str, text: str | None) -> list[int]:
    return [] if text is None else vocabulary(kind).encode(text, add_special_tokens=False).ids


@cache
def bytes_of(kind: str, skip: bool) -> Callable[[int], bytes]:
    """What each token stands for: runs of bytes, or text with byte fallback."""
    tokenizer = vocabulary(kind)
    special = {t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special}
    read = _byte_level_bytes if kind in BYTE_LEVEL else _piece_bytes
    known = {
        token_id: b"" if skip and token in special else read(token)
        for token, token_id in tokenizer.get_vocab().items()
    }
    return lambda token_id: known.get(token_id, b"")


def _piece_bytes(token: str) -> bytes:
    is_byte = len(token) == 6 and token.startswith("<0x")
    return bytes.fromhex(token[3:5]) if is_byte else token.replace("▁", " ").encode()


def _byte_level_bytes(token: str) -> bytes:
    """As GPT-2 does it: bytes that print as themselves, and the others in order from U+0100."""
    printing = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printing]
    values = {chr(byte): byte for byte in printing} | {chr(256 + n): byte for n, byte in enumerate(others)}
    return bytes(values[c] for c in token) if all(c in values for c in token) else token.encode()


def token_bytes(kind: str, ids: Sequence[int], skip: bool) -> bytes:
    return b"".join(map(bytes_of(kind, skip), ids))


def expected(kind: str, prompt: Sequence[int], output: Sequence[int], skip: bool) -> str:
    """With byte fallback incremental UTF-8 decoding with replacement; else what one decode of everything adds."""
    tokenizer = vocabulary(kind)
    if kind in WITH_BYTE_FALLBACK:
        text = token_bytes(kind, output, skip).decode("utf-8", "replace")
        first = kind in STRIPPING and not token_bytes(kind, prompt, skip)
        return text.removeprefix(" ") if first else text
    before: str = tokenizer.decode(prompt, skip)
    whole: str = tokenizer.decode([*prompt, *output], skip)
    assert whole.startswith(before)
    return whole[len(before) :]


def byte_like_ids(tokenizer: Tokenizer) -> Sequence[int]:
    """The tokens of single bytes, in order; without byte tokens, of single characters."""
    byte_ids = Vocabulary(tokenizer).byte_ids
    if byte_ids is not None:
        return list(byte_ids.values())
    vocabulary = tokenizer.get_vocab()
    return sorted((token_id for token, token_id in vocabulary.items() if len(token) == 1))


def random_ids(kind: str, rng: random.Random, length: int) -> list[int]:
    """Any ids, with many bytes and beginnings of characters, special tokens, and ids that do not exist."""
    tokenizer = vocabulary(kind)
    size, singles = tokenizer.get_vocab_size(), byte_like_ids(tokenizer)
    pools = (range(size), singles, singles[len(singles) // 2 :], (0, 1, 2, size, size + 7, *singles[-64:]))
    return [rng.choice(rng.choice(pools)) for _ in range(length)]


def random_text(rng: random.Random, length: int) -> str:
    """Runs of many scripts, emoji of several characters, combining marks, and blanks, also in front."""
    parts: list[str] = []
    while (length := length - 1) >= 0:
        kind = rng.random()
        if kind < 0.6:
            parts.append("".join(rng.choices(rng.choice(SCRIPTS), k=rng.randint(1, 9))))
        elif kind < 0.8:
            parts.append(rng.choice(WHOLE) * rng.randint(1, 3))
        elif kind < 0.9:
            parts.append(" " * rng.randint(1, 4))
        else:
            parts.append(rng.choice(rng.choice(TEXTS[:8]).split()))
    return "".join(parts)
