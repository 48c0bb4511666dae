"""Log-probs as OpenAI's completions API shows them: four lists side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat

from djl_trtllm.core import Alternatives
from djl_trtllm.formats.base import NO_TOKEN
from djl_trtllm.formats.prompt_offsets import offsets
from djl_trtllm.formats.quoting import array, number
from djl_trtllm.formats.token_json import padded
from djl_trtllm.formats.vocabulary import Vocabulary

Row = tuple[str, str, str, str]
"""Of one token, as JSON: its text, log-prob, alternatives and offset."""


class TextLogprobs:
    """`{"tokens", "token_logprobs", "top_logprobs", "text_offset"}` of one choice, piece after piece.

    Offsets count the characters of the choice's text, the prompt included where it is echoed. The alternatives of a
    position are an object by token, with the sampled one in it whatever its rank; null where none
    were asked for, and for the tokens of a prompt.
    """

    __slots__ = ("_most", "_offset", "_vocabulary")

    def __init__(self, most: int, vocabulary: Vocabulary, offset: int = 0) -> None:
        self._most = most
        self._offset = offset
        self._vocabulary = vocabulary

    def piece(
        self,
        tokens: Sequence[int],
        texts: Sequence[str],
        logprobs: Sequence[float] | None,
        tops: Sequence[Alternatives] | None,
    ) -> list[Row]:
        """Return what the four lists have of each token."""
        rows = []
        for token, text, log_prob, top in zip(
            tokens, texts, padded(logprobs), chain(tops or (), repeat(())), strict=False
        ):
            if token != NO_TOKEN:
                own = self._vocabulary.name(token)
                rows.append((own, number(log_prob), self._top(own, log_prob, top), str(self._offset)))
            self._offset += len(text)
        return rows

    def prompt(self, text: str, ids: Sequence[int], logprobs: Sequence[float | None] | None) -> list[Row]:
        """Return what the four lists have of a prompt; it comes before every piece."""
        places = offsets(text, ids, self._vocabulary)
        self._offset = len(text)
        owns = [self._vocabulary.name(token) for token in ids]
        numbers = map(number, padded(logprobs))
        return [
            (own, shown, "null", str(place)) for own, shown, place in zip(owns, numbers, places, strict=False)
        ]

    def _top(self, own: str, log_prob: float | None, tops: Alternatives) -> str:
        if not self._most:
            return "null"
        likeliest: dict[str, float | None] = {}
        for token, value in tops[: self._most]:
            likeliest.setdefault(self._vocabulary.name(token), value)
        likeliest.setdefault(own, log_prob)
        return "{" + ",".join([f"{text}:{number(value)}" for text, value in likeliest.items()]) + "}"


def lists(rows: Sequence[Row]) -> str:
    """Return the object of rows that `TextLogprobs` returned."""
    tokens, logprobs, tops, places = zip(*rows, strict=True) if rows else ((), (), (), ())
    return (
        f'{{"tokens":{array(tokens)},"token_logprobs":{array(logprobs)},'
        f'"top_logprobs":{array(tops) if any(top != "null" for top in tops) else "null"},'
        f'"text_offset":{array(places)}}}'
    )
