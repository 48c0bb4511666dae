"""How many streams of a tokenizer say something else than they must, or at another time."""

from __future__ import annotations

import codecs
import random
from itertools import accumulate

from djl_trtllm.text.detokenizer import Way
from tests.support.vocabularies import BYTE_LEVEL, STRIPPING, WITH_BYTE_FALLBACK, vocabulary
from tests.text.stream_oracle import (
    PAIRS,
    expected,
    prompt_ids,
    random_ids,
    random_text,
    stream,
    token_bytes,
)

LENGTHS = (1, 3, 10, 60, 300)
BY_BYTES = [pair for pair in PAIRS if pair[0] in BYTE_LEVEL or pair[0] in WITH_BYTE_FALLBACK]


def random_prompt(kind: str, rng: random.Random) -> list[int]:
    ids = prompt_ids(kind, rng.choice((None, "a", " ", "</s>", random_text(rng, rng.randint(1, 6)))))
    return [*ids, *rng.choice(((), (1,), (vocabulary(kind).token_to_id("</s>"),)))]


def any_ids(kind: str, way: Way, tokens: int) -> int:
    """The number of streams of random ids that differ, special tokens skipped or not."""
    rng, wrong = random.Random(f"{kind}{way}{tokens}"), 0
    while tokens > 0:
        ids, before = random_ids(kind, rng, rng.choice(LENGTHS)), random_prompt(kind, rng)
        skip = rng.random() < 0.5
        texts, tail = stream(kind, way, before, ids, skip)
        wrong += "".join(texts) + tail != expected(kind, before, ids, skip)
        tokens -= len(ids)
    return wrong


def real_text(kind: str, way: Way, tokens: int) -> int:
    """The number of streams of real text that differ from one decode, or say too early or too late what they say."""
    rng, wrong, tokenizer = random.Random(f"text{kind}{way}{tokens}"), 0, vocabulary(kind)
    while tokens > 0:
        text, before = random_text(rng, rng.choice(LENGTHS)), random_prompt(kind, rng)
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        skip = rng.random() < 0.5
        texts, tail = stream(kind, way, before, ids, skip)
        whole, known = tokenizer.decode([*before, *ids], skip), tokenizer.decode(before, skip)
        wrong += known + "".join(texts) + tail != whole
        if (kind, way) in BY_BYTES:
            wrong += (
                tail != "" or "\ufffd" in "".join(texts) or not in_time(kind, way, before, ids, skip, texts)
            )
        tokens -= len(ids)
    return wrong


def in_time(kind: str, way: Way, before: list[int], ids: list[int], skip: bool, texts: list[str]) -> bool:
    """Whether each step said all characters that were whole by then, and nothing else.

    DecodeStream keeps a whole character back too where another one begins in the same token.
    """
    oracle = codecs.getincrementaldecoder("utf-8")()
    steps = [oracle.decode(token_bytes(kind, [token_id], skip)) for token_id in ids]
    strips = kind in STRIPPING and not token_bytes(kind, before, skip)
    first = next((n for n, step in enumerate(steps) if step), None)
    if strips and first is not None:
        steps[first] = steps[first].removeprefix(" ")
    if way != "stream":
        return steps == texts
    return all(map(str.startswith, accumulate(steps), accumulate(texts)))
