from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.doctor import properties_file
from tests.support import examined


def said(directory: Path, text: str) -> list[tuple[str, str]]:
    directory.mkdir(exist_ok=True)
    (directory / "serving.properties").write_text(text, encoding="utf-8")
    return examined.said(properties_file.examine(examined.subject(directory)))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("quantize=awq", "quantize has no effect in serving.properties; write option.quantize."),
        (
            "awq_calib_size=2",
            "awq_calib_size has no effect in serving.properties; write option.awq_calib_size.",
        ),
        (
            "option.job_queue_size=9",
            "option.job_queue_size has no effect in serving.properties; write job_queue_size, without option.",
        ),
        ("OPTION.dtype=fp16", "OPTION.dtype (line 2) has no effect; write option.dtype, in lower case."),
        ("option_dtype=fp16", "option_dtype (line 2) has no effect; write option.dtype, in lower case."),
        ("options.dtype=fp16", "options.dtype (line 2) has no effect; write option.dtype, in lower case."),
        ("max_input_length=9", "max_input_length (line 2) has no effect; did you mean option.max_input_len?"),
        ("option.dtype", "Line 2 (option.dtype) has no value. Write option.dtype=<value>."),
        (
            "option.dtype=fp16 ",
            "option.dtype (line 2) ends in blanks, which Java keeps as part of the value. Remove them.",
        ),
        (
            "engine=MPI",
            "engine is set in line 1 and again in line 2; the last value holds. Remove one of them.",
        ),
    ],
)
def test_a_line_that_means_something_else(line: str, told: str, tmp_path: Path) -> None:
    assert said(tmp_path / "model", f"engine=Python\n{line}\n") == [("note", told)]


@pytest.mark.parametrize(
    "line",
    [
        "# option.dtype = fp16 ",
        "option.dtype=fp16",
        "option.dtype : fp16",
        "option.env=A=1,B=2",
        "job_queue_size=9",
        "gpu.maxWorkers=1",
        "translatorFactory=x",
        "something.of.their.own=1",
        "engine=Python",
        "option.model_id=a\\\n  b",
    ],
)
def test_a_line_that_is_right(line: str, tmp_path: Path) -> None:
    ((gravity, _),) = said(tmp_path / "model", f"engine=Python\n{line}\n")
    assert gravity == "ok"


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    text = "engine=Python\n\n# a\noption.model_id=a\\\n  b\nmax_inputs_len=3\n"
    assert said(tmp_path / "model", text) == [
        ("note", "max_inputs_len (line 6) has no effect; did you mean option.max_input_len?")
    ]


def test_a_mark_that_java_takes_for_text(tmp_path: Path) -> None:
    ((gravity, told),) = said(tmp_path / "model", "\ufeffengine=Python\n")
    assert gravity == "note"
    assert told.endswith("Save it as UTF-8 without BOM.")


def test_no_file(tmp_path: Path) -> None:
    ((gravity, told),) = examined.said(properties_file.examine(examined.subject(tmp_path)))
    assert (gravity, "has no serving.properties" in told) == ("note", True)
