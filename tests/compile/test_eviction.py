"""What goes when the cache grows over its limit, and what never does."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from djl_trtllm.compile import eviction, in_use
from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.ranks import Solo
from tests.support import plans
from tests.support.plans import Stages, build, compiled, plan


@pytest.fixture(autouse=True)
def several_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test begin as a process that uses nothing."""
    monkeypatch.setattr(in_use, "held", {})
    yield
    done_with_all()


def done_with_all() -> None:
    for use in in_use.held.values():
        use.release()
    in_use.held.clear()


def filled(root: Path, count: int) -> list[str]:
    """Fill a cache with models that nobody uses, the first used longest ago, and return their keys."""
    for number in range(count):
        compiled(root, n=number)
    done_with_all()
    keys = [key(plan(n=number)) for number in range(count)]
    for number, name in enumerate(keys):
        os.utime(root / "used" / name, (number, number))
    return keys


def there(root: Path) -> set[str]:
    return {path.name for path in (root / "artifacts").iterdir()}


def size(root: Path) -> int:
    return sum(path.stat().st_size for path in (root / "artifacts").rglob("*") if path.is_file())


def test_entries_come_with_size_and_last_use_the_latest_first(tmp_path: Path) -> None:
    keys = filled(tmp_path, 3)
    assert compiled(tmp_path, n=0).hit
    (tmp_path / "artifacts" / keys[1] / "manifest.json").unlink()
    first, second, third = Store(tmp_path).entries()
    assert [first.key, second.key, third.key] == [keys[0], keys[2], keys[1]]
    assert (first.in_use, second.in_use, third.in_use) == (True, False, False)
    assert first.manifest is not None
    assert first.manifest.key == first.key
    assert first.bytes == size(first.path.parents[1]) // 3 or first.bytes > len(plans.WEIGHTS)
    assert second.used == 2
    assert third.manifest is None
    assert "no readable manifest.json" in third.problem
    assert Store(tmp_path / "nowhere").entries() == []


def test_the_least_recently_used_go_until_the_rest_fits(tmp_path: Path) -> None:
    keys = filled(tmp_path, 4)
    limit = size(tmp_path) * 5 // 8
    rehearsed = eviction.collect(Store(tmp_path), limit, dry_run=True)
    assert there(tmp_path) == set(keys)
    removed = eviction.collect(Store(tmp_path), limit)
    assert [one.name for one in removed] == keys[:2]
    assert removed == rehearsed
    assert there(tmp_path) == set(keys[2:])
    assert size(tmp_path) <= limit
    assert list((tmp_path / "building").iterdir()) == []


def test_a_rehearsal_is_no_use(tmp_path: Path) -> None:
    (name,) = filled(tmp_path, 1)
    (tmp_path / "used" / name).unlink()
    before = Store(tmp_path).entries()
    assert [one.name for one in eviction.collect(Store(tmp_path), 0, dry_run=True)] == [name]
    assert Store(tmp_path).entries() == before


def test_a_truncated_model_is_of_no_use(tmp_path: Path) -> None:
    _, name = filled(tmp_path, 2)
    file = next(path for path in (tmp_path / "artifacts" / name).iterdir() if path.name != "manifest.json")
    os.truncate(file, 1)
    (removed,) = eviction.collect(Store(tmp_path))
    assert removed.name == name
    assert "has 1 bytes and should have" in removed.why


def test_what_is_kept_or_fits_stays(tmp_path: Path) -> None:
    keys = filled(tmp_path, 2)
    assert eviction.collect(Store(tmp_path)) == []
    assert eviction.collect(Store(tmp_path), size(tmp_path)) == []
    assert [one.name for one in eviction.collect(Store(tmp_path), 0, keep=keys[:1])] == keys[1:]


def test_a_start_makes_room_and_keeps_what_it_takes(tmp_path: Path) -> None:
    keys = filled(tmp_path, 3)
    limit = size(tmp_path)
    settings = CacheSettings(tmp_path, max_size=limit)
    hit = ensure(Recipe(plan(n=0), pytest.fail), Solo(), settings, Stages())
    assert hit.hit
    assert there(tmp_path) == set(keys)
    ensure(Recipe(plan(n=3), build), Solo(), settings, Stages())
    assert there(tmp_path) == {keys[0], keys[2], key(plan(n=3))}
    done_with_all()
    smaller = CacheSettings(tmp_path, max_size=1)
    assert ensure(Recipe(plan(n=2), pytest.fail), Solo(), smaller, Stages()).hit
    assert there(tmp_path) == {keys[2]}


def test_a_hit_makes_a_model_the_latest_used(tmp_path: Path) -> None:
    keys = filled(tmp_path, 2)
    compiled(tmp_path, n=0)
    done_with_all()
    assert [one.name for one in eviction.collect(Store(tmp_path), size(tmp_path) // 2)] == [keys[1]]


def test_what_another_process_serves_stays_until_it_ends(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.plans", str(tmp_path), "served"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=plans.ROOT,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("built")
        (entry,) = [one for one in Store(tmp_path).entries() if one.in_use]
        assert entry.key == key(plan())
        assert key(plan()) not in {one.name for one in eviction.collect(Store(tmp_path), 0)}
        assert there(tmp_path) == {key(plan())}
        server.kill()
    assert [one.name for one in eviction.collect(Store(tmp_path), 0)] == [key(plan())]


def test_a_model_that_goes_while_a_start_looks_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 1)
    hold = in_use.Use.hold

    def late(use: in_use.Use) -> None:
        if there(tmp_path):
            eviction.collect(Store(tmp_path), 0)
        hold(use)

    monkeypatch.setattr(in_use.Use, "hold", late)
    assert not compiled(tmp_path, n=0).hit
    assert there(tmp_path) == {key(plan(n=0))}


def test_damaged_artifacts_are_of_no_use_those_of_other_versions_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged, old, cut = filled(tmp_path, 3)
    artifacts = tmp_path / "artifacts"
    (artifacts / damaged / "manifest.json").unlink()
    (artifacts / old / "manifest.json").write_text('{"format": 1}')
    (artifacts / cut / "manifest.json").write_text('{"format":')
    removed = eviction.collect(Store(tmp_path))
    assert {one.name for one in removed} == {damaged, cut}
    assert all("manifest.json" in one.why for one in removed)
    assert there(tmp_path) == {old}


def test_where_there_are_no_locks_nothing_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = filled(tmp_path, 2)

    def none(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    assert eviction.collect(Store(tmp_path), 0) == []
    assert there(tmp_path) == set(keys)
    assert compiled(tmp_path, n=0).hit


def test_what_cannot_be_removed_is_said_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys = filled(tmp_path, 1)

    def refused(self: Store, name: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Store, "discard", refused)
    caplog.set_level(logging.WARNING)
    assert eviction.collect(Store(tmp_path), 0) == []
    assert "cannot be removed: Read-only file system" in caplog.text
    assert there(tmp_path) == set(keys)


def test_a_cache_from_before_uses_were_recorded_is_collected_by_its_own_times(tmp_path: Path) -> None:
    keys = filled(tmp_path, 3)
    shutil.rmtree(tmp_path / "used")
    for number, name in enumerate(reversed(keys)):
        os.utime(tmp_path / "artifacts" / name, (number, number))
    assert [one.name for one in eviction.collect(Store(tmp_path), size(tmp_path) // 2)] == [keys[2], keys[1]]
