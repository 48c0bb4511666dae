"""Paths out of which the library reads nothing."""

import tempfile
from pathlib import Path

import pytest

from djl_trtllm.engines.trtllm import neutral
from djl_trtllm.errors import CompileError


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A directory whose path says nothing; pytest's own has the name of the test in it."""
    with tempfile.TemporaryDirectory(prefix="0", dir="/tmp") as name:
        yield Path(name)


def test_a_path_without_names_stays(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neutral, "SPELLS", ("telling",))
    with neutral.neutral(plain) as path:
        assert path == plain


@pytest.mark.parametrize("name", ["VILA-7b", "my_llava", "exaone", "gpt2-cache", "starcoder", "chatglm"])
def test_a_telling_path_is_reached_by_a_link_that_goes_again(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name / "scratch"
    directory.mkdir(parents=True)
    (directory / "file").write_text("here")
    with neutral.neutral(directory) as path:
        assert (path / "file").read_text() == "here"
        assert neutral.is_neutral(path)
    assert not path.is_symlink()
    assert (directory / "file").exists()


def test_a_telling_temporary_directory_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling = tmp_path / "gpt"
    telling.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(telling))
    with neutral.neutral(telling) as path:
        assert path.parent != telling


def test_without_any_neutral_place_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gpt"))
    monkeypatch.setattr(neutral, "_PLACES", ())
    with pytest.raises(CompileError, match=r"option\.cache_dir"), neutral.neutral(tmp_path / "gpt"):
        pass
