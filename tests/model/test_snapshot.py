"""One snapshot of an address in S3."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from djl_trtllm.model import snapshot
from djl_trtllm.model.snapshot import Snapshot
from djl_trtllm.s3.client import Object

NAME = "0123456789abcdef"
WANTED = [Object("config.json", 2, "e1"), Object("sub/w", 3, "e2")]


@pytest.fixture(autouse=True)
def no_other_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_in_use", {})


def published(home: Path) -> Snapshot:
    private = home / "private"
    (private / "sub").mkdir(parents=True)
    (private / "config.json").write_text("{}")
    (private / "sub" / "w").write_text("www")
    made = Snapshot(home / NAME)
    made.publish(private, WANTED)
    return made


def test_what_was_published_is_whole(tmp_path: Path) -> None:
    assert not Snapshot(tmp_path / NAME).is_whole(WANTED)
    made = published(tmp_path)
    assert made.objects() == WANTED
    assert made.is_whole(WANTED)
    assert [one.path for one in snapshot.below(tmp_path)] == [made.path]
    (made.path / "sub" / "w").write_text("ww")
    assert not made.is_whole(WANTED)
    assert published(tmp_path).is_whole(WANTED)


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"a": [1]}'])
def test_a_description_that_is_damaged(tmp_path: Path, text: str) -> None:
    made = published(tmp_path)
    made.path.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match=r"."):
        made.objects()


def test_a_name_from_elsewhere_is_none(tmp_path: Path) -> None:
    published(tmp_path).path.rename(tmp_path / "other")
    assert not Snapshot(tmp_path / "other").is_whole(WANTED)
    assert snapshot.below(tmp_path) == []


def test_it_stays_while_it_is_held_and_its_last_use_is_known(tmp_path: Path) -> None:
    made = published(tmp_path)
    os.utime(made.path, (1e9, 1e9))
    assert made.last_use() == 1e9
    made.hold()
    assert made.last_use() > 1.5e9
    assert not made.remove()
    snapshot._in_use.pop(made.path).release()
    os.utime(made.path.with_suffix(".used"), (1e9, 1e9))
    assert made.remove(dry_run=True)
    assert (made.is_whole(WANTED), made.last_use()) == (True, 1e9)
    assert made.remove()
    assert list(tmp_path.iterdir()) == []
