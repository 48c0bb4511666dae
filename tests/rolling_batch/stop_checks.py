"""How many streams that stop say something else than an oracle which sees the whole text at once."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from djl_trtllm.formats.base import NO_TOKEN
from djl_trtllm.rolling_batch.text_stream import StoppingStream
from tests.support.vocabularies import vocabulary
from tests.text.stream_oracle import PAIRS, expected, maker, prompt_ids, random_ids, random_text, stream

MOST_LETTERS = 40
"""Letters of a text in which a stop string is looked for at every offset."""


def stopped(text: str, stops: Sequence[str], keep: bool) -> tuple[str, str | None]:
    """The text up to the first character that completes a stop string, the longest of those it completes cut off."""
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text.endswith(stop, 0, end)]
        if complete:
            stop = max(complete, key=len)
            return text[: end if keep else end - len(stop)], stop
    return text, None


def random_stops(rng: random.Random, text: str) -> list[str]:
    """Parts of the text, such parts gone wrong at the end, and strings that are not in it."""
    stops = []
    for _ in range(rng.choice((1, 1, 2, 3, 12))):
        at, length = rng.randrange(len(text) + 1), rng.randint(1, 9)
        part = (
            text[at : at + length] if rng.random() < 0.4 else text[at : at + length] + rng.choice("#§\ufffd")
        )
        stops.append(part or "#")
    return stops


def chunks(rng: random.Random, items: Sequence[int]) -> Iterator[slice]:
    at = 0
    while at < len(items):
        size = rng.choice((1, 1, 1, 2, 5, 40))
        yield slice(at, at + size)
        at += size


def outcome(
    streaming: StoppingStream, ids: Sequence[int], parts: Sequence[slice], finish_with_tokens: bool
) -> tuple[str, list[int], list[str]]:
    """The text, the tokens and their texts; whether log-probs and alternatives went with them is asserted."""
    logprobs, tops = [-n / 8 for n in range(len(ids))], [[(n, -0.5)] for n in ids]
    pieces = []
    for number, part in enumerate(parts):
        last = finish_with_tokens and number == len(parts) - 1
        pieces.append((streaming.finish if last else streaming.push)(ids[part], logprobs[part], tops[part]))
    if not finish_with_tokens or not parts:
        pieces.append(streaming.finish((), None))
    said = [piece for piece in pieces if piece is not None]
    tokens = [token for piece in said for token in piece.tokens]
    texts = [text for piece in said for text in piece.texts]
    assert len(tokens) == len(texts)
    assert NO_TOKEN not in tokens[:-1]
    known = [token for token in tokens if token != NO_TOKEN]
    assert [value for piece in said for value in piece.logprobs or ()] == logprobs[: len(known)]
    assert [top for piece in said for top in piece.tops or ()] == tops[: len(known)]
    return "".join(texts), known, texts


def mismatches(cases: int, seed: int) -> int:
    rng, wrong = random.Random(seed), 0
    for _ in range(cases):
        kind, way = rng.choice(PAIRS)
        if rng.random() < 0.5:
            ids = vocabulary(kind).encode(random_text(rng, rng.randint(0, 8)), add_special_tokens=False).ids
        else:
            ids = random_ids(kind, rng, rng.randint(0, 40))
        before, skip, keep = prompt_ids(kind, rng.choice((None, "a"))), rng.random() < 0.5, rng.random() < 0.4
        whole = expected(kind, before, ids, skip)
        stops = random_stops(rng, whole)
        answer, matched = stopped(whole, stops, keep)
        results = []
        for parts in (
            [slice(0, len(ids))],
            list(chunks(rng, ids)),
            [slice(n, n + 1) for n in range(len(ids))],
        ):
            streaming = StoppingStream(maker(kind, way).make(before, skip), stops, keep)
            text, tokens, texts = outcome(streaming, ids, parts, rng.random() < 0.5)
            wrong += (
                text != answer or streaming.matched != matched or streaming.stopped != (matched is not None)
            )
            results.append((tokens, texts[: len(tokens) - 1]))
        wrong += any(result != results[0] for result in results)
        wrong += not reported(
            results[0][0], ids, matched, stream(kind, way, before, ids, skip), whole, answer, keep
        )
    return wrong


def reported(
    tokens: list[int],
    ids: list[int],
    matched: str | None,
    streamed: tuple[list[str], str],
    whole: str,
    answer: str,
    keep: bool,
) -> bool:
    """Whether all tokens are reported up to the one that completes the stop string, and none after it."""
    if matched is None:
        return tokens == ids
    end = len(answer) if keep else len(answer) + len(matched)
    assert whole[:end].endswith(matched)
    length, count = 0, 0
    for count, text in enumerate(streamed[0], 1):  # noqa: B007
        length += len(text)
        if length >= end:
            break
    return tokens == ids[:count]


def mismatches_at_offsets(cases: int, seed: int) -> int:
    """Of texts over every kind of tokenizer: parts of them as stop strings, at every offset, of one to six characters.

    Each is met token by token, and in chunks of any size; where a part stands earlier too, the earlier one counts.
    """
    rng, wrong, done = random.Random(seed), 0, 0
    while done < cases:
        kind, way = PAIRS[done % len(PAIRS)]
        text = random_text(rng, rng.randint(2, 8))[:MOST_LETTERS]
        ids = vocabulary(kind).encode(text, add_special_tokens=False).ids
        whole = expected(kind, [], ids, True)
        detokenizers = maker(kind, way)
        for at in range(len(whole)):
            stop, keep = whole[at : at + rng.randint(1, 6)], rng.random() < 0.5
            parts = (
                list(chunks(rng, ids)) if rng.random() < 0.5 else [slice(n, n + 1) for n in range(len(ids))]
            )
            streaming = StoppingStream(detokenizers.make([], True), [stop], keep)
            said, _, _ = outcome(streaming, ids, parts, rng.random() < 0.5)
            wrong += (said, streaming.matched) != stopped(whole, [stop], keep)
            done += 1
    return wrong
