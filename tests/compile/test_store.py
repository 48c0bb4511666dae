"""What builders that died have left goes; what others may be at stays."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from djl_trtllm.compile.store import Store
from tests.support.plans import compiled


def building(root: Path) -> list[str]:
    return [path.name for path in (root / "building").iterdir()]


def test_what_another_builder_that_died_has_left_is_removed_and_a_living_one_is_left_alone(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    store.prepare()
    (tmp_path / "building" / "dead.1.aa").mkdir()
    living = store.lock("living")
    assert living.acquire()
    (tmp_path / "building" / "living.1.bb").mkdir()
    compiled(tmp_path)
    assert building(tmp_path) == ["living.1.bb"]
    living.release()
    assert compiled(tmp_path).hit
    assert building(tmp_path) == [], "a start that finds its model sweeps too"


def test_where_there_are_no_locks_nobody_knows_who_has_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.prepare()

    def none(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    (tmp_path / "building" / "living.1.bb").mkdir()
    compiled(tmp_path)
    assert compiled(tmp_path).hit
    assert building(tmp_path) == ["living.1.bb"]
