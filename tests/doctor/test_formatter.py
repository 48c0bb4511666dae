from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.doctor import formatter
from djl_trtllm.errors import OptionsError
from tests.support import examined

CODE = "raise SystemExit('run')\n\n\ndef mine(output):\n    return ''\n"


def said(directory: Path, spec: str, code: str | None = CODE) -> list[tuple[str, str]]:
    examined.write(directory, f"{examined.RIGHT}option.output_formatter={spec}\n")
    if code is not None:
        (directory / "model.py").write_text(code)
    return examined.said(formatter.examine(examined.subject(directory)))


@pytest.mark.parametrize("spec", ["model.py:mine", "model:mine", "mine"])
def test_a_formatter_that_is_there(spec: str, tmp_path: Path) -> None:
    ((gravity, told),) = said(tmp_path / "model", spec)
    assert (gravity, "is there; it is loaded with the model" in told) == ("ok", True)


@pytest.mark.parametrize(
    ("spec", "code", "told"),
    [
        ("model.py:mien", CODE, "has no function mien. Define it in model.py, or correct the name."),
        ("model.py:mine", "def mine(:\n", "model.py is not Python (line 1)."),
        ("nothing_like_it:mine", None, "no such module is installed or in the model directory."),
    ],
)
def test_a_formatter_that_is_not(spec: str, code: str | None, told: str, tmp_path: Path) -> None:
    ((gravity, text),) = said(tmp_path / "model", spec, code)
    assert (gravity, text) == ("problem", text)
    assert text.startswith(f"output_formatter={spec} ")
    assert text.endswith(told)


def test_no_file_is_said_as_a_load_says_it(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"names model.py, which is not in the model directory"):
        said(tmp_path / "model", "model.py:mine", None)


def test_a_format_of_ours_needs_no_file(tmp_path: Path) -> None:
    assert said(tmp_path / "model", "jsonlines") == []
