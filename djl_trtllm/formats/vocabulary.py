"""What the formats know of a model's tokens."""

from __future__ import annotations

from collections.abc import Callable

from djl_trtllm.formats.tgi_tokens import TgiTokens
from djl_trtllm.formats.token_json import TokenJson
from djl_trtllm.formats.token_logprobs import TokenLogprobs


class Vocabulary:
    """Shared by all requests and threads. `text` and `bytes` are of one token by itself."""

    __slots__ = ("bytes", "lmi", "logprobs", "special_ids", "text", "tgi")

    def __init__(
        self,
        special_ids: frozenset[int],
        token_text: Callable[[int], str],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        self.special_ids = special_ids
        self.text = token_text
        self.bytes = token_bytes
        self.lmi = TokenJson(special_ids, token_text)
        self.logprobs = TokenLogprobs(token_text, token_bytes)
        self.tgi = TgiTokens(special_ids, token_text)
