from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.selftest.reference import FLOORS, MARGINS, Answer, Reference, agreement, compare

CLEAR = Answer("a", [1], [10, 11, 12], [0.5, 0.5, 0.5])
CLOSE = Answer("b", [2], [20, 21, 22], [0.5, 0.02, 0.5])


def test_the_same_tokens_are_equal() -> None:
    compared = compare([CLEAR, CLOSE], [[10, 11, 12], [20, 21, 22]], 0.1)
    assert (compared.equal, compared.ties, list(compared.wrong)) == (6, 0, [])
    assert str(compared) == "6 tokens equal"


def test_a_near_tie_ends_the_comparison_of_one_answer() -> None:
    compared = compare([CLEAR, CLOSE], [[10, 11, 12], [20, 99, 98]], 0.1)
    assert (compared.equal, compared.ties, list(compared.wrong)) == (4, 1, [])
    assert str(compared) == "4 tokens equal, 1 near ties"


def test_a_divergence_beyond_the_margin_is_named() -> None:
    compared = compare([CLEAR, CLOSE], [[10, 77, 12], [20, 99, 98]], 0.01)
    assert [problem.partition(":")[0] for problem in compared.wrong] == [
        "prompt 0 of 2, position 1",
        "prompt 1 of 2, position 1",
    ]
    assert "token 77, transformers has 11 with a gap of 0.500" in compared.wrong[0]


@pytest.mark.parametrize(
    ("tokens", "said"), [([10, 11], "nothing"), ([10, 11, 12, 13], "4 tokens instead of 3")]
)
def test_too_few_and_too_many_tokens_are_wrong(tokens: list[int], said: str) -> None:
    assert said in compare([CLEAR], [tokens], 1.0 if len(tokens) > 3 else 0.1).wrong[0]


def test_a_missing_token_is_never_a_tie() -> None:
    assert compare([CLOSE], [[20]], 0.1).wrong


def test_agreement_counts_first_tokens() -> None:
    assert agreement([CLEAR, CLOSE], [[10], [99]]) == 0.5
    assert agreement([CLEAR, CLOSE], [[], [20]]) == 0.5


def test_a_reference_is_what_was_saved(tmp_path: Path) -> None:
    made = Reference("llama", 768, [CLEAR], [CLOSE], {"torch": "2"})
    made.save(tmp_path / "reference.json")
    assert Reference.load(tmp_path / "reference.json") == made


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reference.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="have it made again"):
        Reference.load(tmp_path / "reference.json")


def test_margins_and_floors_leave_something_to_find() -> None:
    assert MARGINS["fp32"] < MARGINS["fp16"] < MARGINS["bf16"] < 0.35  # about the mean gap of random logits
    assert all(0.2 < floor < 1 for floor in FLOORS.values())
