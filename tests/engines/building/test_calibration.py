from pathlib import Path

import pytest

from djl_trtllm.engines.building.calibration import BUILT_IN, texts
from djl_trtllm.errors import CompileError


def test_built_in_texts_differ_and_are_cut_to_the_count() -> None:
    assert texts(None, 3) == list(BUILT_IN[:3])
    assert len(texts(None, 500)) == len(set(BUILT_IN)) == 16


def test_lines_of_text_and_of_json(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\n  \ntwo\nthree\n")
    assert texts(str(tmp_path / "a.txt"), 2) == ["one", "two"]
    (tmp_path / "b.jsonl").write_text('{"text": "one"}\n\n"two"\n')
    assert texts(str(tmp_path / "b.jsonl"), 9) == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("\n\n", "holds no text"),
        ("not json\n", r"line 1 of c\.jsonl is not valid JSON"),
        ('{"text": "x"}\n{"txt": 1}\n', r'line 2 of c\.jsonl has no string "text"'),
        ("3\n", "line 1"),
    ],
)
def test_files_that_are_no_calibration_texts(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "c.jsonl").write_text(content)
    with pytest.raises(CompileError, match=words):
        texts(str(tmp_path / "c.jsonl"), 9)
