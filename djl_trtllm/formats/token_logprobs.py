"""Log-probs as OpenAI's chat API shows them: `{"token", "logprob", "bytes", "top_logprobs"}`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, repeat

from djl_trtllm.core import Alternatives
from djl_trtllm.formats.base import NO_TOKEN
from djl_trtllm.formats.quoting import array, number, quote
from djl_trtllm.formats.token_json import padded


class TokenLogprobs:
    """The tokens of one vocabulary. Shared by all requests and threads.

    A token is shown as it is by itself, not as what it releases in a text, with its UTF-8 bytes as numbers: joined,
    they are the text even where a character takes several tokens.
    """

    __slots__ = ("_known", "_token_bytes", "_token_text")

    def __init__(self, token_text: Callable[[int], str], token_bytes: Callable[[int], bytes]) -> None:
        self._token_text = token_text
        self._token_bytes = token_bytes
        self._known: dict[int, tuple[str, str]] = {}

    def item(self, token: int, log_prob: float | None) -> str:
        """Return the object of a token without alternatives."""
        return self._shown(token, log_prob) + ',"top_logprobs":[]}'

    def items(
        self,
        tokens: Sequence[int],
        logprobs: Sequence[float] | None,
        tops: Sequence[Alternatives] | None,
        most: int,
    ) -> list[str]:
        """Return an object for each token, with at most so many alternatives."""
        triples = zip(tokens, padded(logprobs), chain(tops or (), repeat(())), strict=False)
        return [
            f'{self._shown(token, log_prob)},"top_logprobs":{self._alternatives(top[:most])}}}'
            for token, log_prob, top in triples
            if token != NO_TOKEN
        ]

    def _alternatives(self, tops: Alternatives) -> str:
        return array([self._shown(token, log_prob) + "}" for token, log_prob in tops])

    def _shown(self, token: int, log_prob: float | None) -> str:
        known = self._known.get(token)
        if known is None:
            numbers = ",".join(map(str, self._token_bytes(token)))
            opening = f'{{"token":{quote(self._token_text(token))},"logprob":'
            known = self._known[token] = (opening, f',"bytes":[{numbers}]')
        return f"{known[0]}{number(log_prob)}{known[1]}"
