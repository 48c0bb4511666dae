"""What DecodeStream keeps stays short, and what it cannot do is done for it."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers.decoders import DecodeStream

from djl_trtllm.text.stream_detokenizer import StreamDetokenizer
from djl_trtllm.text.vocabulary import Vocabulary
from tests.support.vocabularies import vocabulary


class Watched:
    """A DecodeStream that knows the most ids any of its kind has kept without giving text."""

    longest = 0

    def __init__(self, skip_special_tokens: bool) -> None:
        self._stream = DecodeStream(skip_special_tokens=skip_special_tokens)
        self._kept = 0

    def step(self, tokenizer: Any, token_id: int) -> str | None:
        text: str | None = self._stream.step(tokenizer, token_id)
        self._kept = self._kept + 1 if text is None else 0
        Watched.longest = max(Watched.longest, self._kept)
        return text


@pytest.mark.parametrize("token", ["</s>", "Ģ", "a", None])
def test_what_is_kept_does_not_grow_with_the_text(token: str | None) -> None:
    """Special tokens, broken bytes ("Ģ" is byte 0x80) and ids that do not exist, without end."""
    tokenizer = vocabulary("byte_level")
    token_id = 10**6 if token is None else tokenizer.token_to_id(token)
    detokenizer = StreamDetokenizer(Watched, Vocabulary(tokenizer), True, [tokenizer.token_to_id("a")])
    Watched.longest = 0
    text = "".join([detokenizer.step(token_id) for _ in range(500)]) + detokenizer.flush()
    assert text == tokenizer.decode([token_id] * 500)
    assert Watched.longest <= 8


def test_the_stream_comes_back_when_the_text_is_clean() -> None:
    tokenizer = vocabulary("byte_level")
    made: list[Watched] = []

    def counting(skip_special_tokens: bool) -> Watched:
        made.append(Watched(skip_special_tokens))
        return made[-1]

    a, broken = tokenizer.token_to_id("a"), tokenizer.token_to_id("Ģ")
    detokenizer = StreamDetokenizer(counting, Vocabulary(tokenizer), True, [a])
    text = "".join(map(detokenizer.step, [*[broken] * 9, a, a, a, *[broken] * 9, a, a])) + detokenizer.flush()
    assert text == "\ufffd" * 9 + "aaa" + "\ufffd" * 9 + "aa"
    assert len(made) == 3
    assert detokenizer.recovered == 0


def test_the_decode_stream_here_still_has_the_faults_this_is_for() -> None:
    """When this fails, tokenizers has repaired one of them, and the code can become simpler."""
    tokenizer = vocabulary("llama")
    ids = [tokenizer.token_to_id(token) for token in ("<0xC3>", "<0xA9>", "<0x80>", "a")]
    stream = DecodeStream(skip_special_tokens=True)
    with pytest.raises(Exception, match="Invalid prefix"):
        [stream.step(tokenizer, token_id) for token_id in ids]
