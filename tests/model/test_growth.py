"""A download that grows on the disk, as huggingface_hub leaves it there."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.model import growth
from tests.support.collector import eventually

WANTED = {"aaaa": 30_000, "bbbb": 10_000}


class Percents:
    def __init__(self) -> None:
        self.stages: list[tuple[str, float | None]] = []

    def stage(self, name: str, percent: float | None = None) -> None:
        self.stages.append((name, percent))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_LOOK_EVERY", 0.01)


def test_files_that_grow_are_percents(tmp_path: Path) -> None:
    told = Percents()
    blobs = tmp_path / "blobs"
    with growth.watched(blobs, WANTED, told, "fetching"):
        eventually(lambda: ("fetching", 0.0) in told.stages, "a first look, without a directory")
        blobs.mkdir()
        (blobs / "bbbb").write_bytes(bytes(10_000))
        eventually(lambda: ("fetching", 25.0) in told.stages, "one whole file")
        (blobs / "aaaa.0123abcd.incomplete").write_bytes(bytes(8192))
        eventually(lambda: 45 < (told.stages[-1][1] or 0) < 50, "a part of another")
        (blobs / "aaaa.0123abcd.incomplete").rename(blobs / "aaaa")
        (blobs / "aaaa").write_bytes(bytes(30_000))
        eventually(lambda: told.stages[-1] == ("fetching", 100.0), "all of it")
    said = len(told.stages)
    assert len(told.stages) == said


def test_nothing_to_fetch_is_no_stage(tmp_path: Path) -> None:
    told = Percents()
    with growth.watched(tmp_path, {}, told, "fetching"):
        pass
    assert told.stages == []


def test_what_fails_ends_the_look(tmp_path: Path) -> None:
    told = Percents()
    with pytest.raises(OSError, match="no network"), growth.watched(tmp_path, WANTED, told, "fetching"):
        raise OSError("no network")
    said = len(told.stages)
    eventually(lambda: len(told.stages) == said, "silence")
