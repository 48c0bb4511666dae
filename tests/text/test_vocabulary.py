from __future__ import annotations

import pytest

from djl_trtllm.text.vocabulary import CONTEXT, Vocabulary
from tests.support.vocabularies import WITH_BYTE_FALLBACK, vocabulary


def test_tokens_of_any_id() -> None:
    known = Vocabulary(vocabulary("byte_level"))
    assert known.token(vocabulary("byte_level").token_to_id("a")) == "a"
    assert [known.token(i) for i in (-1, 10**6, 2**40)] == [None, None, None]


def test_special_tokens_are_shown_only_when_not_skipped() -> None:
    tokenizer = vocabulary("byte_level")
    known, end = Vocabulary(tokenizer), tokenizer.token_to_id("</s>")
    assert end in known.special_ids
    assert tokenizer.token_to_id("<tool>") not in known.special_ids
    assert known.shown(end, skip_special_tokens=True) is None
    assert known.shown(end, skip_special_tokens=False) == "</s>"


def test_byte_ids() -> None:
    for kind in WITH_BYTE_FALLBACK:
        byte_ids = Vocabulary(vocabulary(kind)).byte_ids
        assert byte_ids is not None
        assert [vocabulary(kind).id_to_token(byte_ids[n]) for n in (64, 254)] == ["<0x40>", "<0xFE>"]
    assert Vocabulary(vocabulary("byte_level")).byte_ids is None
    assert 0xFF not in (Vocabulary(vocabulary("without_some_bytes")).byte_ids or {0xFF: 0})
    assert Vocabulary(vocabulary("without_replacement")).byte_ids is None


def test_context_is_short_and_clean() -> None:
    tokenizer = vocabulary("byte_level")
    known = Vocabulary(tokenizer)
    ids = tokenizer.encode("the quick brown fox jumps over", add_special_tokens=False).ids
    end = tokenizer.token_to_id("</s>")
    assert known.context([*ids, end, end, 10**6], True) == ids[-CONTEXT:]
    assert known.context([*ids, tokenizer.token_to_id("Ģ")], True) == ids[-CONTEXT + 1 :]
    assert known.context([end], True) == known.context([], True) == []
    assert known.context([end], False) == [end]


@pytest.mark.parametrize("kind", ["llama", "byte_level"])
def test_a_prompt_of_nothing_but_bytes_still_counts_as_text(kind: str) -> None:
    tokenizer = vocabulary(kind)
    known = Vocabulary(tokenizer)
    broken = tokenizer.token_to_id("<0x80>" if kind == "llama" else "Ģ")
    context = known.context([broken], True)
    assert context == list(known.anchor)
    assert tokenizer.decode(context).strip()
