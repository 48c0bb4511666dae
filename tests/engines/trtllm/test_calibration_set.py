"""A directory that passes for the data set that the library's loaders know."""

import json
from pathlib import Path

import pytest

from djl_trtllm.engines.trtllm import calibration_set
from djl_trtllm.engines.trtllm.build_job import CALIBRATION
from djl_trtllm.errors import CompileError


def rows(directory: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (directory / "train.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("count", "expected"), [(0, 512), (32, 512), (512, 512), (700, 700)])
def test_there_are_as_many_rows_as_the_library_reads(tmp_path: Path, count: int, expected: int) -> None:
    calibration_set.write(tmp_path / CALIBRATION, None, count)
    found = rows(tmp_path / CALIBRATION)
    assert len(found) == expected
    assert all(row["article"] == row["text"] and row["text"] for row in found)
    assert len({row["text"] for row in found}) > 10


def test_the_users_text_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("eins\nzwei\n")
    calibration_set.write(tmp_path / CALIBRATION, str(tmp_path / "mine.txt"), 32)
    assert {row["article"] for row in rows(tmp_path / CALIBRATION)} == {"eins", "zwei"}


def test_the_card_declares_the_configuration_that_is_asked_for(tmp_path: Path) -> None:
    calibration_set.write(tmp_path / CALIBRATION, None, 1)
    card = (tmp_path / CALIBRATION / "README.md").read_text()
    assert card.startswith("---\n")
    assert 'config_name: "3.0.0"' in card
    assert "split: train" in card
    assert "path: train.jsonl" in card
    assert "cnn_dailymail" in CALIBRATION


def test_a_file_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(CompileError, match="holds no text"):
        calibration_set.write(tmp_path / CALIBRATION, str(tmp_path / "empty.txt"), 1)
