"""R7: streams of random ids, of odd UTF-8 and of real text must say what one decode of everything says.

Over every kind of tokenizer there is here and every way of decoding that suits it. With byte fallback one decode
rewrites a run of bytes when a later one is bad, which no stream can: there the text is what incremental UTF-8 decoding
with replacement gives, and one decode's wherever the bytes are valid.
"""

from __future__ import annotations

from chaos.figure import Figure, at_least, exactly
from chaos.scale import Scale
from tests.text.stream_checks import any_ids, real_text
from tests.text.stream_oracle import PAIRS

FAULT = "random ids, odd bytes and real text of many scripts, token by token"


def run(scale: Scale) -> list[Figure]:
    """Stream so many tokens, the same number over each kind and way, half of them random ids."""
    tokens = scale.of(full=1_000_000, quick=50_000, smallest=2_000)
    each = -(-tokens // (2 * len(PAIRS)))
    odd = {pair: any_ids(*pair, each) for pair in PAIRS}
    real = {pair: real_text(*pair, each) for pair in PAIRS}
    for pair in PAIRS:
        if odd[pair] or real[pair]:
            print(f"{pair}: {odd[pair]} of random ids, {real[pair]} of real text")
    kinds = {kind for kind, _ in PAIRS}
    detail = f"{2 * each * len(PAIRS):,} tokens, {len(kinds)} kinds, {len(PAIRS)} ways over them"
    return [
        exactly("R7.random_ids_differ", FAULT, sum(odd.values()), 0, "streams", detail),
        exactly(
            "R7.real_text_differs", FAULT, sum(real.values()), 0, "streams", "none too early or too late"
        ),
        at_least("R7.kinds", FAULT, len(kinds), 4, "tokenizers", ", ".join(sorted(kinds))),
    ]
