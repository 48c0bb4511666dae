from __future__ import annotations

import pytest

from djl_trtllm.selftest import words
from djl_trtllm.selftest.shapes import VOCAB_SIZE

TOKENIZERS = {"byte level": words.byte_level, "metaspace": words.metaspace}


@pytest.mark.parametrize("make", TOKENIZERS.values(), ids=list(TOKENIZERS))
def test_every_id_is_a_token(make) -> None:
    tokenizer = make()
    assert tokenizer.get_vocab_size() == VOCAB_SIZE
    assert all(tokenizer.id_to_token(index) is not None for index in range(VOCAB_SIZE))
    assert [tokenizer.token_to_id(token) for token in words.SPECIAL] == [0, 1, 2]


@pytest.mark.parametrize("make", TOKENIZERS.values(), ids=list(TOKENIZERS))
def test_text_comes_back(make) -> None:
    tokenizer = make()
    for text in (*words.prompts(20), "naïve 日本 🙂"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_prompts_are_the_same_at_every_call_and_differ() -> None:
    assert words.prompts(50) == words.prompts(50)
    assert len(set(words.prompts(120))) == 120
