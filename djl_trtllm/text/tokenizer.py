"""Prompts to token ids, and the start of the way back. Reads tokenizer.json; never imports transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers

from djl_trtllm.errors import ArtifactError, InvalidRequest
from djl_trtllm.text import bad_words, special_ids
from djl_trtllm.text.coverage import longest_token_bytes
from djl_trtllm.text.detokenizer import Detokenizer, Detokenizers
from djl_trtllm.text.token_texts import TokenTexts
from djl_trtllm.text.vocabulary import Vocabulary

_WORTH_KNOWING = 16 * 1024


class Tokenizer:
    """One model's tokenizer; thread-safe.

    `eos_ids` end a generation, `special_ids` are left out of text, `chat_template` is Jinja source or None.
    `longest_token_bytes` is the most bytes of text one token can stand for, 0 where that has no limit.
    """

    def __init__(self, tokenizer: Any, facts: special_ids.Facts) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._facts = facts
        self._encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
        self._vocabulary = Vocabulary(tokenizer)
        self._detokenizers = Detokenizers(self._vocabulary)
        self._texts = TokenTexts(self._vocabulary, self._detokenizers.spelling)
        self.special_ids = self._vocabulary.special_ids
        self.vocab_size: int = max(tokenizer.get_vocab_size(True), facts.vocab_size)
        self.eos_ids = frozenset(facts.eos_ids)
        self.bos_token, self.eos_token = facts.bos_token, facts.eos_token
        self.special_tokens = facts.special_tokens
        self.chat_template = facts.chat_template

    @classmethod
    def load(cls, directory: Path) -> Tokenizer:
        """Load from a compiled model's directory or a Hugging Face checkpoint.

        Raises ArtifactError when tokenizer.json is missing or broken.
        """
        path = directory / "tokenizer.json"
        if not path.is_file():
            raise ArtifactError(
                f"{directory} has no tokenizer.json.",
                "Save it with transformers' AutoTokenizer.from_pretrained(...).save_pretrained(...), "
                "or let the model be compiled from its Hugging Face checkpoint.",
            )
        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception for whatever it cannot read
            raise ArtifactError(
                f"{path} cannot be read by tokenizers {tokenizers.__version__}: {error}"
            ) from error
        return cls(tokenizer, special_ids.read(directory, tokenizer))

    def encode(self, text: str, special: bool = True) -> list[int]:
        """Return the ids of a prompt. Releases the GIL.

        `special` adds the special tokens that transformers would add; a prompt made by a chat template has its own.
        Raises InvalidRequest when the text holds half of a surrogate pair, which is no character.
        """
        return self._encode_all([text], special)[0]

    def words(self, text: str) -> tuple[tuple[int, ...], ...]:
        """Return the runs of ids by which `text` usually comes in an output, for lists of bad words.

        They are different from each other, without special tokens, and say the text itself and the text after a blank;
        the latter only where it begins with one. Empty for "" and for what the vocabulary cannot spell. Raises as
        `encode`.
        """
        return bad_words.runs(
            text,
            lambda texts: [tuple(ids) for ids in self._encode_all(texts, special=False)],
            self._detokenizers.inside,
        )

    def token_text(self, token_id: int) -> str:
        """Return one token as it reads inside a text, blank included; "" for an id outside the vocabulary.

        A special token is its name; what is not a whole character is a replacement character, see `token_bytes`.
        """
        return self._texts[token_id]

    def token_bytes(self, token_id: int) -> bytes:
        """Return the UTF-8 bytes of one token, also where they are not whole characters."""
        return self._texts.raw(token_id)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Return the text of ids all at once."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens)
        return text

    def min_tokens(self, text_bytes: int) -> int:
        """Return a number of tokens that a text of so many UTF-8 bytes has at least: to refuse it untokenised.

        0 for a short text, which is tokenised faster than the vocabulary can be looked through.
        """
        if text_bytes < _WORTH_KNOWING:
            return 0
        longest = self.longest_token_bytes
        return -(-text_bytes // longest) if longest else 0

    @cached_property
    def longest_token_bytes(self) -> int:
        """The most bytes of text one token can stand for, 0 where that has no limit."""
        if self._facts.longest_token_bytes is not None:
            return self._facts.longest_token_bytes
        return longest_token_bytes(self._tokenizer)

    def detokenizer(self, prompt_ids: Sequence[int], skip_special_tokens: bool) -> Detokenizer:
        """Start decoding what is generated after a prompt."""
        return self._detokenizers.make(prompt_ids, skip_special_tokens)

    def _encode_all(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        for text in texts:
            _check_unicode(text)
        return [encoding.ids for encoding in self._encode(texts, add_special_tokens=special)]


def _check_unicode(text: str) -> None:
    """Refuse half of a surrogate pair, which tokenizers before 0.20 takes for three broken characters."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            f"A text holds half of a surrogate pair at character {error.start} (U+{ord(text[error.start]):04X});"
            " send whole Unicode characters."
        ) from error
