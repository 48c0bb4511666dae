"""One token as Text Generation Inference shows it: `{"id", "text", "logprob", "special"}`."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.formats.quoting import array, number, quote
from djl_trtllm.formats.token_json import TokenJson


class TgiTokens(TokenJson):
    """The tokens of one vocabulary under TGI's names. `special` is always there; a prompt's tokens have none."""

    __slots__ = ()

    def _around(self, token: int, text: str) -> tuple[str, str]:
        special = "true" if token in self._special_ids or token < 0 else "false"
        return f'{{"id":{token},"text":{quote(text)},"logprob":', f',"special":{special}}}'

    def prompt(self, tokens: Sequence[int], logprobs: Sequence[float | None]) -> str:
        """Return a list of prompt tokens, each with its own text."""
        texts = map(self._token_text, tokens)
        return array(
            f'{{"id":{token},"text":{quote(text)},"logprob":{number(log_prob)}}}'
            for token, text, log_prob in zip(tokens, texts, logprobs, strict=False)
        )
