"""The tokens of the stand-in: a function of the prompt, the sampling values and the position, nothing else.

A sequence has a 64-bit `state` of its prompt and of whatever changes its samples. Position `i` draws 64 bits from
the state, which ranks compute in parts (`world.py`); `choose` makes a token of them, going on to the next candidate
while one is forbidden.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence

MASK = (1 << 64) - 1
SPECIAL = 3
"""Ids below are never drawn: padding, start and end of the usual vocabularies."""
NEUTRAL: Mapping[str, object] = {
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "top_p_min": 1e-6,
    "top_p_decay": 1.0,
    "top_p_reset_ids": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "no_repeat_ngram_size": None,
    "length_penalty": 1.0,
    "beam_search_diversity_rate": 0.0,
    "early_stopping": 1,
    "seed": 0,
}
"""Sampling values that change nothing, by the names of `SamplingConfig`."""
FOR_GREEDY = ("repetition_penalty", "presence_penalty", "frequency_penalty", "no_repeat_ngram_size")
FOR_BEAMS = (*FOR_GREEDY, "length_penalty", "beam_search_diversity_rate", "early_stopping")


def greedy(top_k: int | None = None, top_p: float | None = None, **_: object) -> bool:
    """Whether nothing is drawn: `top_k` 1, or neither `top_k` nor `top_p`, as the library's defaults are."""
    return top_k == 1 or (top_k in (None, 0) and top_p in (None, 0.0))


def salt(beam_width: int = 1, **sampling: object) -> tuple[tuple[str, object], ...]:
    """Return what of the sampling values changes the tokens, in one order."""
    unknown = sorted(set(sampling) - set(NEUTRAL))
    if unknown:
        raise TypeError(f"no sampling values: {unknown}")
    if beam_width > 1:
        names: Sequence[str] = FOR_BEAMS
    elif greedy(sampling.get("top_k"), sampling.get("top_p")):  # type: ignore[arg-type]
        names = FOR_GREEDY
    else:
        names = tuple(NEUTRAL)
    found = {name: sampling.get(name) for name in names}
    changed = tuple(
        (name, round(value, 4) if isinstance(value, float) else value)
        for name, value in sorted(found.items())
        if value is not None and value != NEUTRAL[name]
    )
    return (("drawn", True), *changed) if len(names) == len(NEUTRAL) else changed


def state(
    prompt_ids: Sequence[int], salted: tuple[tuple[str, object], ...], sequence: int = 0, beam: int = 0
) -> int:
    """Return the state of one sequence. `sequence` counts those of `num_return_sequences`."""
    digest = hashlib.blake2b(array("q", prompt_ids).tobytes(), digest_size=8)
    if salted:
        digest.update(repr(salted).encode())
        if sequence and salted[0][0] == "drawn":
            digest.update(b"sequence %d" % sequence)
    if beam:
        digest.update(b"beam %d" % beam)
    return int.from_bytes(digest.digest(), "little")


def mix(value: int) -> int:
    """Spread 64 bits (the finaliser of splitmix64)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def bits(of: int, position: int) -> int:
    """Return the 64 bits of a position of the sequence with the state `of`."""
    return mix((of + (position + 1) * 0x9E3779B97F4A7C15) & MASK)


def choose(
    drawn: int,
    generated: Sequence[int],
    vocab_size: int,
    *,
    banned: frozenset[int] = frozenset(),
    bad_words: Sequence[Sequence[int]] = (),
    forced: int | None = None,
) -> int:
    """Make a token of `drawn`: none of `banned`, none that would complete one of `bad_words`."""
    if forced is not None:
        return forced
    forbidden = banned | completing(generated, bad_words)
    for attempt in range(64):
        token = SPECIAL + mix((drawn + attempt) & MASK) % (vocab_size - SPECIAL)
        if token not in forbidden:
            return token
    return next(t for t in range(vocab_size) if t not in forbidden)


def completing(generated: Sequence[int], bad_words: Sequence[Sequence[int]]) -> frozenset[int]:
    """Return the tokens that would complete a bad word."""
    heads = ((list(word[:-1]), word[-1]) for word in bad_words)
    return frozenset(last for head, last in heads if not head or list(generated[-len(head) :]) == head)


def biased(drawn: int, bias: Mapping[int, float]) -> int:
    """Return other bits where a bias neither bans nor forces: it changes what comes, always in the same way."""
    weak = tuple(sorted((token, round(value, 3)) for token, value in bias.items() if abs(value) < 10))
    return mix(drawn ^ state([], (("bias", weak),))) if weak else drawn


def tops(token: int, value: float, number: int, vocab_size: int, *, best: bool) -> dict[int, float]:
    """Return the `number` likeliest tokens of a position besides others, with `token` among them or after them."""
    others = [t for t in range(token + 1, token + 2 + number + SPECIAL) if t % vocab_size >= SPECIAL]
    near = {
        other % vocab_size: value - 0.125 * (n + 1) if best else value / 2 ** (n + 1)
        for n, other in enumerate(others)
    }
    kept = dict(list(near.items())[: number - 1 if best else number])
    return {**kept, token: value}


def log_prob(token: int, beam: int = 0) -> float:
    """Return the natural log of the probability that the stand-in gives a token. Lower beams are always likelier."""
    return -(token % 97 + 1) / 100 - beam


def stopped_by(generated: Sequence[int], stop_words: Sequence[Sequence[int]]) -> Sequence[int] | None:
    """Return the stop word that ends `generated`."""
    for word in stop_words:
        if list(generated[-len(word) :]) == list(word):
            return word
    return None


def expected_tokens(
    prompt_ids: Sequence[int],
    count: int,
    *,
    vocab_size: int,
    end_id: int | None = None,
    min_tokens: int | None = None,
    stop_words: Sequence[Sequence[int]] = (),
    bad_words: Sequence[Sequence[int]] = (),
    beam_width: int = 1,
    beam: int = 0,
    sequence: int = 0,
    **sampling: object,
) -> list[int]:
    """Return all that a request with `max_tokens=count` generates, its end token or stop word included.

    `sampling` are values of `SamplingConfig` (`seed` and `min_tokens` also for the versions that spell them
    `random_seed` and `min_length`). `end_id` None or -1: nothing ends it. `beam` of `beam_width`, best first.
    """
    of = state(prompt_ids, salt(beam_width, **sampling), sequence, beam)
    generated: list[int] = []
    end = frozenset() if end_id is None else frozenset({end_id})
    for position in range(count):
        early = position < (min_tokens or 0)
        token = choose(
            bits(of, position),
            generated,
            vocab_size,
            banned=end if early else frozenset(),
            bad_words=bad_words,
        )
        generated.append(token)
        if token == end_id or stopped_by(generated, stop_words):
            break
    return generated
