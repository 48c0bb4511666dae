"""A second tier: what it has is verified here, what it lacks is built and stored, its failures cost no start."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from djl_trtllm.compile import in_use, manifest
from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.recipe import Build, Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import CompiledModel, Progress
from djl_trtllm.ranks import Solo
from tests.support import plans
from tests.support.plans import Stages, build, compiled, plan


class Shelf:
    """A tier that is a directory."""

    name = "s3://bucket/models"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []

    def fetch(self, key: str, into: Path, progress: Progress) -> bool:
        self.asked.append("fetch")
        if not (self.root / key).is_dir():
            return False
        shutil.copytree(self.root / key, into, dirs_exist_ok=True)
        return True

    def store(self, key: str, artifact: Path, progress: Progress) -> None:
        self.asked.append("store")
        progress.stage("copying")
        shutil.copytree(artifact, self.root / key)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "shelf").mkdir()
    return Shelf(tmp_path / "shelf")


def start(root: Path, shelf: Shelf, build: Build = build, mode: str = "use") -> CompiledModel:
    made = ensure(Recipe(plan(), build), Solo(), CacheSettings(root, mode), Stages(), shelf)
    for thread in threading.enumerate():
        if thread.name == "cache-push":
            thread.join()
    return made


def test_what_one_machine_has_built_another_fetches(tmp_path: Path, shelf: Shelf) -> None:
    first = start(tmp_path / "one", shelf)
    assert not first.hit
    assert shelf.asked == ["fetch", "store"]
    second = start(tmp_path / "two", shelf, pytest.fail)
    assert second.hit
    assert ", fetched " in second.why
    assert second.why.endswith("from s3://bucket/models")
    manifest.verify(second.path)
    assert (second.path / "model.bin").read_bytes() == plans.WEIGHTS
    kept = manifest.read(second.path).fetched
    assert kept is not None
    assert kept["from"] == "s3://bucket/models"
    assert manifest.read(first.path).fetched is None
    assert shelf.asked == ["fetch", "store", "fetch"], "what came from there does not go back"
    assert start(tmp_path / "two", shelf, pytest.fail).hit
    assert len(shelf.asked) == 3, "what is here is not asked for"
    assert list((tmp_path / "two" / "building").iterdir()) == []


@pytest.mark.parametrize("mode", ["rebuild", "off"])
def test_what_is_to_be_built_is_not_fetched(tmp_path: Path, shelf: Shelf, mode: str) -> None:
    start(tmp_path / "one", shelf)
    shelf.asked.clear()
    shutil.rmtree(shelf.root / key(plan()))
    assert not start(tmp_path / "two", shelf, mode=mode).hit
    assert shelf.asked == (["store"] if mode == "rebuild" else [])


def another_plan(shelf: Path) -> None:
    compiled(shelf.parent / "other", n=1)
    shutil.rmtree(shelf / key(plan()))
    shutil.copytree(shelf.parent / "other" / "artifacts" / key(plan(n=1)), shelf / key(plan()))


def flipped(shelf: Path) -> None:
    content = bytearray(plans.WEIGHTS)
    content[len(content) // 2] ^= 1
    (shelf / key(plan()) / "model.bin").write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped": (flipped, "model.bin"),
    "cut": (lambda shelf: (shelf / key(plan()) / "model.bin").write_bytes(b"half"), "model.bin"),
    "missing": (lambda shelf: (shelf / key(plan()) / "config.json").unlink(), "config.json"),
    "added": (lambda shelf: (shelf / key(plan()) / "more.py").write_text("code"), "more.py"),
    "manifest": (lambda shelf: (shelf / key(plan()) / "manifest.json").write_text("{}"), "manifest.json"),
    "no manifest": (lambda shelf: (shelf / key(plan()) / "manifest.json").unlink(), "manifest.json"),
    "other format": (
        lambda shelf: (shelf / key(plan()) / "manifest.json").write_text(json.dumps({"format": 1})),
        "format 1",
    ),
    "another plan": (another_plan, "another plan"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_as_its_manifest_says_is_built_instead(
    tmp_path: Path, shelf: Shelf, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    start(tmp_path / "one", shelf)
    spoil, words = DAMAGES[damage]
    spoil(shelf.root)
    shelf.store = lambda *arguments: None  # type: ignore[method-assign]
    caplog.set_level(logging.WARNING)
    assert not start(tmp_path / "two", shelf).hit
    (record,) = caplog.records
    assert "cannot be had from s3://bucket/models" in record.message
    assert words in record.message
    assert start(tmp_path / "two", shelf, pytest.fail).hit
    assert list((tmp_path / "two" / "building").iterdir()) == []


@pytest.mark.parametrize("call", ["fetch", "store"])
def test_a_tier_that_fails_is_one_warning(
    tmp_path: Path, shelf: Shelf, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    def broken(key: str, place: Path, progress: Progress) -> bool:
        (place / "half").touch()
        raise ConnectionError("no route to the bucket")

    setattr(shelf, call, broken)
    caplog.set_level(logging.WARNING)
    model = start(tmp_path / "one", shelf)
    assert not model.hit
    (record,) = caplog.records
    assert "no route to the bucket" in record.message
    (model.path / "half").unlink(missing_ok=True)
    manifest.verify(model.path)
    assert list((tmp_path / "one" / "building").iterdir()) == []


def test_a_slow_tier_holds_up_nobody(tmp_path: Path, shelf: Shelf) -> None:
    go, stored = threading.Event(), threading.Event()

    def slow(key: str, artifact: Path, progress: Progress) -> None:
        assert go.wait(60)
        stored.set()

    shelf.store = slow  # type: ignore[method-assign]
    ensure(Recipe(plan(), build), Solo(), CacheSettings(tmp_path), Stages(), shelf)
    assert compiled(tmp_path).hit
    assert not stored.is_set()
    go.set()
    assert stored.wait(60)


def test_a_fetch_makes_room_too(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    start(tmp_path / "one", shelf)
    monkeypatch.setattr(in_use, "held", {})
    compiled(tmp_path / "two", n=1)
    for use in in_use.held.values():
        use.release()
    settings = CacheSettings(tmp_path / "two", max_size=1)
    assert ensure(Recipe(plan(), pytest.fail), Solo(), settings, Stages(), shelf).hit
    assert [path.name for path in (tmp_path / "two" / "artifacts").iterdir()] == [key(plan())]
