"""From the prompts of a request to token ids within the limits."""

from __future__ import annotations

from djl_trtllm.core import Limits, Prompt, Request
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.rolling_batch.clipping import clipped
from djl_trtllm.text.tokenizer import Tokenizer


class Prompts:
    """Encodes and checks. Used by several threads."""

    def __init__(self, tokenizer: Tokenizer, limits: Limits, on_long_input: str) -> None:
        self._tokenizer = tokenizer
        self._limits = limits
        self._on_long_input = on_long_input

    def encode(self, request: Request) -> None:
        """Fill in the ids of every prompt. Raises `InvalidRequest`, for all prompts that are wrong at once."""
        problems: list[str] = []
        several = len(request.prompts) > 1
        for position, prompt in enumerate(request.prompts):
            name = f"Prompt {position}" if several else "The prompt"
            try:
                prompt.ids = self._fitted(prompt, request.truncate, name)
            except InvalidRequest as error:
                problems += error.problems
        if problems:
            raise InvalidRequest(*problems)

    def refusal(self, name: str, *, text_bytes: int = 0, tokens: int = 0) -> InvalidRequest | None:
        """Say that a prompt of at least so many bytes of UTF-8, or tokens, is too long; None where it may fit."""
        if self._on_long_input != "reject":
            return None
        limit, at_least = self._limits.max_input_len.value, self._tokenizer.min_tokens(text_bytes)
        if max(tokens, at_least) <= limit:
            return None
        return self._too_long(name, str(tokens) if tokens > limit else f"at least {at_least}")

    def _fitted(self, prompt: Prompt, truncate: int | None, name: str) -> list[int]:
        limit = self._limits.max_input_len
        clipping = truncate is not None or self._on_long_input != "reject"
        end = truncate is not None or self._on_long_input == "truncate_left"
        wanted = limit.value if truncate is None else min(truncate, limit.value)
        ids = list(prompt.ids) or self._ids(prompt, name, wanted if clipping else None, end=end)
        if truncate is not None:
            ids = ids[-truncate:]
        if len(ids) > limit.value:
            if not clipping:
                raise self._too_long(name, str(len(ids)))
            ids = ids[-limit.value :] if end else ids[: limit.value]
        context = self._limits.max_sequence_len
        if len(ids) >= context.value:
            raise InvalidRequest(
                f"{name} has {len(ids)} tokens and leaves no room for output: the model's context is "
                f"{context.value} tokens (set by {context.source}); shorten the prompt or set truncate."
            )
        return ids

    def _ids(self, prompt: Prompt, name: str, clipped_to: int | None, *, end: bool) -> list[int]:
        if clipped_to is None:
            self._check_length(prompt.text, name)
            ids = self._tokenizer.encode(prompt.text, prompt.special)
        else:
            ids = clipped(self._tokenizer.encode, prompt.text, prompt.special, clipped_to, end=end)
        if not ids:
            raise InvalidRequest(f"{name} is empty: it has no tokens; send at least one character.")
        return ids

    def _check_length(self, text: str, name: str) -> None:
        """Refuse a text that is too long whatever its tokens are."""
        # A character is at least a byte, and how many there are is known.
        at_least = self._tokenizer.min_tokens(len(text))
        if at_least <= self._limits.max_input_len.value and not text.isascii():
            at_least = self._tokenizer.min_tokens(len(text.encode("utf-8", "surrogatepass")))
        if at_least > self._limits.max_input_len.value:
            raise self._too_long(name, f"at least {at_least}")

    def _too_long(self, name: str, tokens: str) -> InvalidRequest:
        limit = self._limits.max_input_len
        return InvalidRequest(
            f"{name} has {tokens} tokens, the limit is {limit.value} (set by {limit.source}); "
            f"shorten the prompt, set truncate, or raise max_input_len."
        )
