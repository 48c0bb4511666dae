from __future__ import annotations

from djl_trtllm.schemas import texts


def test_null_characters() -> None:
    problems: list[str] = []
    texts.check("stop", "a", problems)
    assert problems == []
    texts.check("stop", "a\0", problems)
    assert problems == ["stop holds a null character (U+0000), which no model can take; leave it out."]


def test_prompts_in_a_list() -> None:
    problems: list[str] = []
    texts.check_prompts("inputs", ["a", "", "b\0"], problems)
    assert [problem.split(" ")[0] for problem in problems] == ["inputs[1]", "inputs[2]"]
    texts.check_prompts("inputs", [""] * 1000, problems)
    assert len(problems) == 10


def test_one_or_many() -> None:
    problems: list[str] = []
    assert texts.joined(problems, stop=None) == ()
    assert texts.joined(problems, stop="a", stop_sequences=["b", "a"]) == ("a", "b")
    assert problems == []
    texts.joined(problems, stop=["a", "\0"])
    assert len(problems) == 1
