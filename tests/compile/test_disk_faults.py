"""A disk that fails at any call: a clear error or a model that is served all the same, and never debris."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from djl_trtllm.compile import disk, in_use
from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import CompiledModel, Progress
from djl_trtllm.errors import CompileError
from djl_trtllm.ranks import Solo
from tests.support import plans
from tests.support.disk_faults import FaultyDisk
from tests.support.faulty_starts import (
    CODES,
    build,
    calls_of,
    check_afterwards,
    left,
    one_disk,
    start,
)
from tests.support.plans import Stages, plan


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    with one_disk(tmp_path) as cache:
        yield cache


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("code", CODES, ids=CODES.values())
def test_every_call_of_a_build_may_fail(
    place: Path, tmp_path: Path, code: int, lasting: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    count = calls_of(tmp_path / "count")
    assert count > 20
    seen, elsewhere = set(), set()
    for failing in range(1, count + 1):
        root = tmp_path / f"cache{failing}"
        faulty = FaultyDisk(root, failing, code, lasting)
        caplog.clear()
        model: CompiledModel | None = None
        with faulty.mounted():
            try:
                model = start(root)
            except CompileError as error:
                said = str(error)
                assert str(root) in said, (failing, said)
                assert "option.cache_dir" in said
                assert "free" in said or code in (errno.EACCES, errno.EROFS), said
            else:
                if root not in model.path.parents:
                    elsewhere.add(faulty.failed)
                    (warning,) = [one for one in caplog.messages if "compiled into" in one]
                    assert str(root) in warning
        seen.add((faulty.failed, model is not None))
        assert faulty.failed, "the call came"
        check_afterwards(root, model)
    assert {("rename", False), ("fsync", False), ("write", False)} <= seen
    # A full disk is no reason to fill another part of it.
    assert elsewhere - {"flock"} == (set() if code == errno.ENOSPC else {"mkdir", "open"})


@pytest.mark.parametrize("code", CODES, ids=CODES.values())
def test_every_call_of_a_hit_may_fail(place: Path, code: int) -> None:
    start(place)
    count = calls_of(place)
    assert count >= 1
    for failing in range(1, count + 1):
        faulty = FaultyDisk(place, failing, code, lasting=True)
        in_use.held.clear()
        with faulty.mounted():
            assert start(place).hit
        assert faulty.failed


@pytest.mark.parametrize("code", CODES, ids=CODES.values())
def test_where_temporary_files_cannot_be_written_either(place: Path, tmp_path: Path, code: int) -> None:
    with (
        FaultyDisk(tmp_path, 1, code, lasting=True).mounted(),
        pytest.raises(CompileError, match=r"option\.cache_dir") as caught,
    ):
        start(place)
    assert str(place) in str(caught.value)
    with (
        FaultyDisk(tmp_path, 1, code, lasting=True).mounted(),
        pytest.raises(CompileError, match="TMPDIR"),
    ):
        start(place, "off")
    check_afterwards(place, None)


def test_a_full_disk_where_another_has_room(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disk, "other_disk", lambda directory, than: True)
    caplog.set_level(logging.WARNING)
    faulty = FaultyDisk(place, 1, errno.ENOSPC, lasting=True)
    with faulty.mounted():
        model = start(place)
    assert place not in model.path.parents
    (warning,) = caplog.messages
    assert "There is no space left in the directory of compiled models" in warning
    assert "and again at every start" in warning
    check_afterwards(place, model)


def test_a_disk_too_small_is_named_before_anything_is_built(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(plan(), pytest.fail, options={"model_id": ("org/m", "x")}, room=lambda: 3 << 30)
    monkeypatch.setattr(disk, "free_bytes", lambda directory: 1 << 30)
    wanted = r"Compiling org/m needs about 3\.0 GiB in .*, and 1\.0 GiB are free\. Free some, or set "
    with pytest.raises(CompileError, match=wanted + r"option\.cache_dir"):
        ensure(recipe, Solo(), CacheSettings(place), Stages())
    monkeypatch.setattr(disk, "other_disk", lambda directory, than: True)
    with pytest.raises(CompileError, match=wanted + r"option\.cache_dir"):
        ensure(recipe, Solo(), CacheSettings(place), Stages())
    with pytest.raises(CompileError, match=wanted + "the environment variable TMPDIR"):
        ensure(recipe, Solo(), CacheSettings(place, "off"), Stages())
    check_afterwards(place, None)


def test_another_disk_with_room_is_taken_for_a_disk_too_small(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        disk, "free_bytes", lambda directory: 1 << (20 if place in (directory, *directory.parents) else 40)
    )
    monkeypatch.setattr(disk, "other_disk", lambda directory, than: True)
    recipe = Recipe(plan(), build, room=lambda: 3 << 30)
    model = ensure(recipe, Solo(), CacheSettings(place), Stages())
    assert place not in model.path.parents
    check_afterwards(place, model)


def test_a_build_that_fails_for_want_of_space_says_where(place: Path) -> None:
    def full(out: Path, progress: Progress) -> None:
        (out / "half").write_bytes(plans.WEIGHTS)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        CompileError, match="There is no space left in the directory of compiled models"
    ) as caught:
        ensure(Recipe(plan(), full), Solo(), CacheSettings(place), Stages())
    assert f"({place})" in str(caught.value)
    check_afterwards(place, None)


def test_a_measurement_that_refuses_or_fails_publishes_nothing(place: Path) -> None:
    def refuse(out: Path, progress: Progress) -> None:
        raise CompileError("not good enough")

    def broken(out: Path, progress: Progress) -> None:
        raise ZeroDivisionError("oops")

    with pytest.raises(CompileError, match="not good enough"):
        ensure(Recipe(plan(), build, refuse), Solo(), CacheSettings(place), Stages())
    with pytest.raises(CompileError, match="Measuring failed with ZeroDivisionError: oops"):
        ensure(Recipe(plan(), build, broken), Solo(), CacheSettings(place), Stages())
    assert left(place / "artifacts") == []
    check_afterwards(place, None)
