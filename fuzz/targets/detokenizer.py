"""Streams of ids over every kind of tokenizer and every way of decoding, against what they must say."""

from __future__ import annotations

from collections.abc import Callable

PROMPTS = (None, "a", " ", "</s>", "naïve 日本語", "x 😀")
WORDS = (b"\xff\xff", b"\x00\x00", b"\xf0\x9f", b"\xe2\x80", b"\xcc\x81")


def prepared() -> Callable[[bytes], None]:
    """Return what decodes an input: which tokenizer and way, the prompt, then ids of two bytes."""
    from tests.support.vocabularies import vocabulary
    from tests.text.stream_oracle import PAIRS, byte_like_ids, expected, prompt_ids, stream

    singles = {kind: list(byte_like_ids(vocabulary(kind))) for kind, _ in PAIRS}
    sizes = {kind: vocabulary(kind).get_vocab_size() for kind, _ in PAIRS}

    def check(data: bytes) -> None:
        if len(data) < 3:
            return
        kind, way = PAIRS[data[0] % len(PAIRS)]
        skip, before = bool(data[1] & 1), prompt_ids(kind, PROMPTS[(data[1] >> 1) % len(PROMPTS)])
        ids = []
        for at in range(2, len(data) - 1, 2):
            high, low = data[at], data[at + 1]
            byte, any_id = singles[kind][low % len(singles[kind])], (high << 8 | low) % (sizes[kind] + 8)
            ids.append(byte if high >= 128 else any_id)
        texts, tail = stream(kind, way, before, ids, skip)
        assert "".join(texts) + tail == expected(kind, before, ids, skip), (kind, way, before, ids, skip)

    return check
