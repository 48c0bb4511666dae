"""What the formats know of a model's tokens."""

from __future__ import annotations

from collections.abc import Callable

from djl_trtllm.formats.quoting import quote
from djl_trtllm.formats.tgi_tokens import TgiTokens
from djl_trtllm.formats.token_json import TokenJson
from djl_trtllm.formats.token_logprobs import TokenLogprobs


class Vocabulary:
    """Shared by all requests and threads. `text` and `bytes` are of one token by itself."""

    __slots__ = ("_names", "bytes", "lmi", "logprobs", "special_ids", "text", "tgi")

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
        self._names: dict[int, str] = {}

    def name(self, token: int) -> str:
        r"""Return a token's text as JSON; `bytes:\xe6\x97` where it is a part of a character, as OpenAI has it.

        Two parts of characters have the same text, and must not be taken for one where names are keys.
        """
        name = self._names.get(token)
        if name is None:
            raw = self.bytes(token)
            try:
                raw.decode()
                text = self.text(token)
            except UnicodeDecodeError:
                text = "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)
            name = self._names[token] = quote(text)
        return name
