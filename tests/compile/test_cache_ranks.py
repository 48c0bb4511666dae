"""What rank 0 decides, every rank builds, and all of them hear of what failed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from djl_trtllm.compile import manifest
from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.core import CompiledModel
from djl_trtllm.errors import CompileError, LoadError, OutOfMemory, RankError
from tests.support.plans import Stages, build, plan
from tests.support.teams import ThreadTeam, together


def debris(root: Path) -> list[str]:
    return [str(path) for path in (root / "building").iterdir()]


class Rank:
    """One of two ranks: what it shares and agrees on is scripted, what it hears comes from the other's list."""

    size = 2

    def __init__(self, rank: int, heard: list[object] | None = None, fails: bool = False) -> None:
        self.rank = rank
        self.said: list[object] = []
        self.told: list[LoadError] = []
        self._heard = list(heard or [])
        self._fails = fails

    def share(self, value: object) -> object:
        if self.rank == 0:
            self.said.append(value)
            return value
        heard = self._heard.pop(0)
        if isinstance(heard, LoadError):
            raise heard
        return heard

    def agree(self, error: LoadError | None = None) -> None:
        if error is not None:
            self.told.append(error)
            raise error
        self.check()

    def check(self) -> None:
        if self._fails:
            raise RankError("rank 1 failed")


def test_every_rank_builds_into_one_directory_and_gets_the_published_model(tmp_path: Path) -> None:
    lead = Rank(0)
    built = ensure(Recipe(plan(), build), lead, CacheSettings(tmp_path), Stages())
    assert isinstance(lead.said[0], Path)
    assert lead.said[1] == built
    parts: list[Path] = []
    other = Rank(1, heard=[tmp_path, built])
    assert (
        ensure(Recipe(plan(), lambda out, p: parts.append(out)), other, CacheSettings(tmp_path), Stages())
        == built
    )
    assert parts == [tmp_path]
    hit = ensure(Recipe(plan(), pytest.fail), Rank(1, heard=[built]), CacheSettings(tmp_path), Stages())
    assert hit == built


def test_ranks_build_elsewhere_together_where_the_cache_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    built: list[tuple[int, Path]] = []

    def work(team: ThreadTeam) -> None:
        def part(out: Path, progress: object) -> None:
            built.append((team.rank, out))
            (out / f"rank{team.rank}.engine").write_bytes(b"engine")

        def assess(out: Path, progress: object) -> dict[str, object]:
            assert {path.name for path in out.iterdir()} == {"rank0.engine", "rank1.engine"}
            return {"measured_by": team.rank}

        settings = CacheSettings(Path("/sys/djl_trtllm"))
        found.append(ensure(Recipe(plan(), part, assess), team, settings, Stages()))

    found: list[CompiledModel] = []
    assert together(2, work) == [None, None]
    assert sorted(rank for rank, _ in built) == [0, 1]
    assert len({out for _, out in built}) == 1
    assert found[0] == found[1]
    kept = manifest.read(found[0].path)
    assert set(kept.files) == {"rank0.engine", "rank1.engine"}
    assert kept.quality == {"measured_by": 0}


def test_a_rank_that_failed_ends_the_build_on_all(tmp_path: Path) -> None:
    lead = Rank(0, fails=True)
    with pytest.raises(RankError):
        ensure(Recipe(plan(), build), lead, CacheSettings(tmp_path), Stages())
    assert len(lead.said) == 1
    assert debris(tmp_path) == []
    with pytest.raises(RankError, match="disk"):
        ensure(
            Recipe(plan(), build),
            Rank(1, heard=[tmp_path, RankError("Rank 0 failed: disk")]),
            CacheSettings(tmp_path),
            Stages(),
        )


def test_every_failure_of_rank_0_is_told_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(out: Path, progress: object) -> None:
        raise OutOfMemory("too little memory")

    (tmp_path / "file").touch()
    early, building, publishing = Rank(0), Rank(0), Rank(0)
    with pytest.raises(CompileError):
        ensure(Recipe(plan(), build), early, CacheSettings(tmp_path / "file"), Stages())
    assert isinstance(early.told[0], CompileError)
    with pytest.raises(OutOfMemory):
        ensure(Recipe(plan(), failing), building, CacheSettings(tmp_path), Stages())
    assert isinstance(building.told[0], OutOfMemory)
    monkeypatch.setattr(manifest, "survey", lambda directory: {})
    with pytest.raises(CompileError, match="no files"):
        ensure(Recipe(plan(), build), publishing, CacheSettings(tmp_path), Stages())
    assert isinstance(publishing.told[0], CompileError)
    assert debris(tmp_path) == []


def test_a_rank_that_waits_for_another_process_still_hears_of_a_failure(tmp_path: Path) -> None:
    Store(tmp_path).prepare()
    held = Store(tmp_path).lock(key(plan()))
    assert held.acquire()
    with pytest.raises(RankError):
        ensure(Recipe(plan(), pytest.fail), Rank(0, fails=True), CacheSettings(tmp_path), Stages())
    held.release()
