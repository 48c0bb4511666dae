"""The texts a quantised model is compared on."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.engines.building import calibration, quality_texts
from djl_trtllm.errors import CompileError
from tests.support import tiny


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return quality_texts.tokenizer_of(tiny.checkpoint("llama"))


def test_no_text_is_one_that_quantisation_is_fitted_to() -> None:
    assert not set(quality_texts.BUILT_IN) & set(calibration.BUILT_IN)
    assert len(set(quality_texts.BUILT_IN)) == len(quality_texts.BUILT_IN)


def test_every_built_in_text_has_its_share(tokenizer: object) -> None:
    ids = quality_texts.token_ids(quality_texts.texts(None), tokenizer)
    assert len(ids) == len(quality_texts.BUILT_IN)
    assert 300 < sum(map(len, ids)) <= quality_texts.MOST_TOKENS
    assert {row[0] for row in ids} == {1}, "the tokenizer's own beginning belongs to a text"


def test_lines_of_the_users_file_fill_the_cap_and_no_more(tmp_path: Path, tokenizer: object) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(
        "\n".join(f"Line {number} tells of the sea and of a little girl." * 9 for number in range(500))
    )
    samples = quality_texts.texts(str(file))
    assert samples[0].startswith("Line 0")
    ids = quality_texts.token_ids(samples, tokenizer)
    assert [len(row) for row in ids] == [quality_texts.SHORTEST_CUT] * (
        quality_texts.MOST_TOKENS // quality_texts.SHORTEST_CUT
    )
    file.write_text("One long line. " * 500)
    (row,) = quality_texts.token_ids(quality_texts.texts(str(file)), tokenizer)
    assert len(row) == quality_texts.LONGEST


def test_what_is_too_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("a\nb\n")
    with pytest.raises(CompileError, match=r"no two tokens: give longer ones as option\.calib_dataset"):
        quality_texts.token_ids(
            quality_texts.texts(str(file)), quality_texts.tokenizer_of(tiny.checkpoint("gpt2"))
        )
    with pytest.raises(CompileError, match="there is no such file"):
        quality_texts.texts(str(tmp_path / "none.txt"))


def test_the_digest_says_which_tokens() -> None:
    assert quality_texts.digest([[1, 2], [3]]) == quality_texts.digest([(1, 2), (3,)])
    assert len({quality_texts.digest(ids) for ids in ([[1, 2], [3]], [[1], [2, 3]], [[1, 2, 3]])}) == 3
