"""What ids stand for: token strings, special tokens, byte tokens. Shared by everything that decodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any


class Vocabulary:
    """A `tokenizers.Tokenizer` seen as a table of ids. `token` never raises, whatever the id."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self.special_ids = frozenset(token_id for token_id, token in added.items() if token.special)
        self.special_tokens = frozenset(token.content for token in added.values() if token.special)

    def token(self, token_id: int) -> str | None:
        """Return the token's string; None for an id outside the vocabulary."""
        try:
            token: str | None = self.tokenizer.id_to_token(token_id)
        except (OverflowError, TypeError):  # negative, or more than 32 bits
            return None
        return token

    def shown(self, token_id: int, skip_special_tokens: bool) -> str | None:
        """Return the token's string, or None where decoding leaves the id out.

        Special tokens are recognised by their string, as `tokenizers` does it.
        """
        token = self.token(token_id)
        if token is None or (skip_special_tokens and token in self.special_tokens):
            return None
        return token

    @cached_property
    def decoder(self) -> dict[str, Any]:
        """The decoder's description as tokenizer.json has it; empty when there is none."""
        if self.tokenizer.decoder is None:
            return {}
        description: dict[str, Any] = json.loads(self.tokenizer.decoder.__getstate__())
        return description

    @cached_property
    def decoder_steps(self) -> Sequence[dict[str, Any]]:
        """The decoder's steps in order; a decoder that is no sequence is one step."""
        if self.decoder.get("type") == "Sequence":
            steps: list[dict[str, Any]] = self.decoder["decoders"]
            return steps
        return [self.decoder] if self.decoder else []

    @cached_property
    def byte_ids(self) -> Mapping[int, int] | None:
        """Ids of the tokens <0x00> to <0xFF>, by byte; None unless the decoder falls back to bytes.

        Those of U+FFFD are always among them: without them there is no way to say that bytes are broken, and so None.
        """
        if all(step.get("type") != "ByteFallback" for step in self.decoder_steps):
            return None
        named = {byte: self.tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in range(256)}
        ids = {byte: token_id for byte, token_id in named.items() if token_id is not None}
        return ids if ids.keys() >= set("\ufffd".encode()) else None

    @cached_property
    def anchor(self) -> Sequence[int]:
        """One id with visible text: stands for "some text came before" where a prompt's own ids cannot."""
        left_out = frozenset((self.byte_ids or {}).values())
        for token_id in range(self.tokenizer.get_vocab_size(True)):
            if token_id not in left_out and self.shown(token_id, skip_special_tokens=True) is not None:
                text = self.tokenizer.decode([token_id])
                if text.strip() and "\ufffd" not in text:
                    return (token_id,)
        return ()

    def context(self, prompt_ids: Sequence[int], skip_special_tokens: bool) -> list[int]:
        """Return ids that decode as the prompt's end does, for what follows it: its last few shown text tokens.

        Byte tokens are left out, since a run of them would merge with the output's. A tail that decodes to a
        replacement character is cut off. Empty only when nothing of the prompt is shown.
        """
        left_out = frozenset((self.byte_ids or {}).values())
        kept: list[int] = []
        something = False
        for token_id in reversed(prompt_ids):
            if self.shown(token_id, skip_special_tokens) is not None:
                something = True
                if token_id not in left_out:
                    kept.append(token_id)
                    if len(kept) == CONTEXT:
                        break
        kept.reverse()
        while kept and self.tokenizer.decode(kept, skip_special_tokens).endswith("\ufffd"):
            kept.pop()
        return kept or (list(self.anchor) if something else [])


CONTEXT = 6
"""Ids kept of what came before: an unfinished character is at most 3 of them, the rest gives it a beginning."""
