"""The window stays short, whatever goes through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from djl_trtllm.text.vocabulary import Vocabulary
from djl_trtllm.text.windowed_detokenizer import WindowedDetokenizer
from tests.support.vocabularies import vocabulary


class Noting:
    """A tokenizer that notes how many ids each decode is given."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        self.sizes.append(len(ids))
        return str(self._tokenizer.decode(ids, skip_special_tokens))


@pytest.mark.parametrize("token", ["</s>", "Ģ", "a", "Ġthe", "<tool>"])
@pytest.mark.parametrize("skip", [True, False])
def test_what_is_decoded_does_not_grow_with_the_text(token: str, skip: bool) -> None:
    """Special tokens and broken bytes ("Ģ" is byte 0x80) without end included."""
    tokenizer = Noting(vocabulary("byte_level"))
    token_id = tokenizer.token_to_id(token)
    detokenizer = WindowedDetokenizer(
        Vocabulary(tokenizer), skip, tokenizer.encode("a", add_special_tokens=False).ids
    )
    for _ in range(500):
        detokenizer.step(token_id)
    assert max(tokenizer.sizes) <= 16
    assert len(tokenizer.sizes) <= 500 * 1.3


def test_a_decode_that_fails_loses_its_token_only() -> None:
    class Failing(Noting):
        def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
            if bad in ids:
                raise ValueError("no")
            return super().decode(ids, skip_special_tokens)

    tokenizer = Failing(vocabulary("byte_level"))
    bad, good = tokenizer.token_to_id("b"), tokenizer.token_to_id("a")
    detokenizer = WindowedDetokenizer(Vocabulary(tokenizer), True, [good])
    assert "".join(map(detokenizer.step, [good, bad, good])) + detokenizer.flush() == "aa"
    assert detokenizer.recovered == 1


def test_whole_characters_are_not_held_back() -> None:
    tokenizer = vocabulary("llama")
    byte_ids = [tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in "\ufffd".encode()]
    detokenizer = WindowedDetokenizer(Vocabulary(tokenizer), True, [tokenizer.token_to_id("a")], whole=True)
    assert [detokenizer.feed(byte_ids) for _ in range(20)] == ["\ufffd"] * 20
    assert detokenizer.flush() == ""
