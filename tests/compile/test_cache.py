import dataclasses
import errno
import logging
import os
import resource
import signal
import socket
import tempfile
import time
from pathlib import Path

import pytest

from djl_trtllm.compile import cache, disk, manifest
from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.plan import content, key
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.core import CompiledModel, Progress
from djl_trtllm.errors import CompileError, OutOfMemory
from djl_trtllm.options.kinds import Size
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo
from tests.support import plans
from tests.support.plans import Stages, build, compiled, plan


def debris(root: Path) -> list[str]:
    return [str(path) for path in (root / "building").iterdir()]


def test_the_second_look_up_is_a_hit_and_builds_nothing(tmp_path: Path) -> None:
    first = compiled(tmp_path)
    again = ensure(Recipe(plan(), pytest.fail), Solo(), CacheSettings(tmp_path), Stages())
    assert not first.hit
    assert again.hit
    assert again.path == first.path
    assert (again.path / "model.bin").read_bytes() == plans.WEIGHTS
    assert debris(tmp_path) == []


def test_another_option_is_another_artifact_and_the_log_says_what_differed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = compiled(tmp_path)
    assert "this model has not been compiled here before" in caplog.text
    second = compiled(tmp_path, quantize="int8")
    assert second.path != first.path
    assert "option quantize is int8 and was not set" in caplog.text
    ensure(Recipe(plan("other"), build), Solo(), CacheSettings(tmp_path), Stages())
    assert "the file model.safetensors is changed" in caplog.text
    compiled(tmp_path)
    assert "cache hit: llama" in caplog.text


def test_a_failed_build_leaves_nothing_and_the_next_start_builds(tmp_path: Path) -> None:
    def failing(out: Path, progress: object) -> None:
        (out / "model.bin").write_bytes(b"half")
        raise OutOfMemory("too little memory")

    with pytest.raises(OutOfMemory, match="too little memory"):
        ensure(Recipe(plan(), failing), Solo(), CacheSettings(tmp_path), Stages())
    assert debris(tmp_path) == []
    assert list((tmp_path / "artifacts").iterdir()) == []
    assert not compiled(tmp_path).hit


def test_a_defect_of_a_build_is_a_compile_error(tmp_path: Path) -> None:
    def failing(out: Path, progress: object) -> None:
        raise ZeroDivisionError("oops")

    with pytest.raises(CompileError, match="ZeroDivisionError: oops") as caught:
        ensure(Recipe(plan(), failing), Solo(), CacheSettings(tmp_path), Stages())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_build_without_files_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="no files"):
        ensure(Recipe(plan(), lambda out, progress: None), Solo(), CacheSettings(tmp_path), Stages())
    assert not compiled(tmp_path).hit


@pytest.mark.parametrize(
    "damage", ["truncate", "remove", "flip small", "flip manifest", "cut manifest", "no manifest"]
)
def test_a_damaged_artifact_does_not_exist_and_is_built_again(tmp_path: Path, damage: str) -> None:
    path = compiled(tmp_path).path
    file = path / (
        "manifest.json" if "manifest" in damage else "config.json" if "small" in damage else "model.bin"
    )
    content = bytearray(file.read_bytes())
    if damage in ("remove", "no manifest"):
        file.unlink()
    elif damage in ("truncate", "cut manifest"):
        file.write_bytes(content[:-7])
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    again = compiled(tmp_path)
    assert not again.hit
    assert (again.path / "model.bin").read_bytes() == plans.WEIGHTS
    manifest.verify(again.path)
    assert compiled(tmp_path).hit
    assert debris(tmp_path) == []


def test_a_flipped_bit_in_a_big_file_is_found_by_verify_and_discarded(tmp_path: Path) -> None:
    model = compiled(tmp_path)
    content = bytearray(plans.WEIGHTS)
    content[len(content) // 3] ^= 4
    (model.path / "model.bin").write_bytes(content)
    assert compiled(tmp_path).hit
    with pytest.raises(manifest.ArtifactError, match=r"model\.bin .* is damaged"):
        manifest.verify(model.path)
    cache.discard(model, CacheSettings(tmp_path))
    assert not compiled(tmp_path).hit


def test_discard_needs_no_more_than_the_artifact(tmp_path: Path) -> None:
    model = compiled(tmp_path)
    (tmp_path / "building").rmdir()
    cache.discard(model, CacheSettings(tmp_path))
    assert not model.path.exists()
    cache.discard(model, CacheSettings(tmp_path))


def test_what_is_damaged_on_a_read_only_disk_is_not_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    root = tmp_path / "cache"
    model = compiled(root)
    prepare = Store.prepare

    def read_only(store: Store, *arguments: str) -> None:
        if store.root == root:
            raise OSError(errno.EROFS, "Read-only file system")
        prepare(store)

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        patch.setattr(Store, "prepare", read_only)
        patch.setattr(Store, "discard", read_only)
        cache.discard(model, CacheSettings(root))
        elsewhere = compiled(root)
    assert "cannot be removed: Read-only file system" in caplog.text
    assert not elsewhere.path.is_relative_to(root)
    again = compiled(root)
    assert (again.path, again.hit) == (model.path, False)
    assert "what was compiled from the same inputs was found damaged" in caplog.text
    assert compiled(root).hit


def test_discard_touches_nothing_outside_the_cache(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    cache.discard(CompiledModel(path=own, origin="brought along"), CacheSettings(tmp_path / "cache"))
    assert own.is_dir()


def test_rebuild_replaces_the_artifact(tmp_path: Path) -> None:
    first = compiled(tmp_path)
    inode = (first.path / "model.bin").stat().st_ino
    with (first.path / "model.bin").open("rb") as still_open:
        again = compiled(tmp_path, mode="rebuild")
        assert again.path == first.path
        assert not again.hit
        assert still_open.read() == plans.WEIGHTS
    assert (again.path / "model.bin").stat().st_ino != inode
    assert debris(tmp_path) == []


def test_off_builds_every_time_and_leaves_the_cache_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    compiled(tmp_path / "cache")
    one, two = (compiled(tmp_path / "cache", mode="off") for _ in range(2))
    assert not one.hit
    assert not two.hit
    assert one.path != two.path
    assert all(path.is_relative_to(tmp_path) for path in (one.path, two.path))
    assert len(list((tmp_path / "cache" / "artifacts").iterdir())) == 1


def test_off_removes_what_killed_processes_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "djl_trtllm-uncached-left"
    left.mkdir()
    alive = compiled(tmp_path, mode="off").path.parents[1]
    for path in (left, alive):
        os.utime(path, (1, 1))
    compiled(tmp_path, mode="off")
    assert not left.exists()
    assert alive.exists()


def test_a_builder_killed_leaves_nothing_that_is_loaded(tmp_path: Path) -> None:
    with plans.start(tmp_path, "slow") as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "building\n"
        builder.send_signal(signal.SIGKILL)
    assert len(debris(tmp_path)) == 1
    again = compiled(tmp_path)
    assert not again.hit
    assert (again.path / "model.bin").read_bytes() == plans.WEIGHTS
    assert debris(tmp_path) == []


def test_sixteen_processes_build_once(tmp_path: Path) -> None:
    processes = [plans.start(tmp_path, "counted") for _ in range(16)]
    said = []
    for one in processes:
        with one:
            said.append(one.communicate()[0].split())
            assert one.returncode == 0
    assert sorted(words[-3] for words in said) == ["built", *["hit"] * 15]
    assert sum(words.count("building") for words in said) == 1
    assert {words[-1] for words in said} == {str(tmp_path / "artifacts" / key(plan()))}
    manifest.verify(tmp_path / "artifacts" / key(plan()))
    assert debris(tmp_path) == []
    lock = Store(tmp_path).lock(key(plan()))
    assert lock.acquire(), "no lock outlives its process"
    lock.release()
    assert not Store(tmp_path).use(key(plan())).busy()


def test_a_waiter_says_what_it_waits_for_and_starts_within_a_second(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stages = Stages()
    with plans.start(tmp_path, "slow") as builder:
        assert builder.stdout is not None
        assert builder.stdin is not None
        builder.stdout.readline()
        go = builder.stdin

        def let_the_builder_go_on(name: str, percent: float | None = None) -> None:
            go.write("go\n")
            go.flush()

        stages.stage = let_the_builder_go_on  # type: ignore[method-assign]
        model = ensure(Recipe(plan(), pytest.fail), Solo(), CacheSettings(tmp_path), stages)
        published = float(builder.stdout.readline().split()[1])
        assert time.time() - published < 1.0
    assert model.hit
    assert f"waiting for process {builder.pid}, which is compiling the same model" in caplog.text


def test_rebuilds_that_were_asked_for_together_happen_once(tmp_path: Path) -> None:
    compiled(tmp_path)
    held = Store(tmp_path).lock(key(plan()))
    assert held.acquire()
    stages = Stages()

    def publish_and_release(name: str, percent: float | None = None) -> None:
        held.release()
        compiled(tmp_path, mode="rebuild")

    stages.stage = publish_and_release  # type: ignore[method-assign]
    model = ensure(Recipe(plan(), pytest.fail), Solo(), CacheSettings(tmp_path, "rebuild"), stages)
    assert model.hit


def test_a_hit_writes_nothing_but_who_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(tmp_path)
    monkeypatch.setattr(Store, "prepare", lambda self: pytest.fail("a hit needs no directory"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "artifacts").rglob("*")}
    assert compiled(tmp_path).hit
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "artifacts").rglob("*")} == before
    assert [path.name for path in (tmp_path / "used").iterdir()] == [key(plan())]


def test_a_path_that_is_no_directory_is_named_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CompileError, match=r"option\.cache_dir"):
        compiled(tmp_path / "file")


def test_a_full_disk_is_named_with_the_free_space_and_leaves_nothing(tmp_path: Path) -> None:
    # A limit on the size of files fails a write as a full disk does, in the middle of it.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(CompileError, match=r"no space left in .* free\. .*option\.cache_dir"):
            compiled(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert debris(tmp_path) == []
    assert list((tmp_path / "artifacts").iterdir()) == []
    assert not compiled(tmp_path).hit


@pytest.mark.parametrize("step", ["flush_tree", "flush", "survey", "write"])
def test_an_error_at_any_step_of_publishing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(manifest if step in ("survey", "write") else disk, step, broken)
        with pytest.raises(CompileError, match="no space left"):
            compiled(tmp_path)
    assert debris(tmp_path) == []
    assert list((tmp_path / "artifacts").iterdir()) == []
    assert not compiled(tmp_path).hit


def test_the_manifest_says_from_what_how_and_how_good_and_nothing_of_the_machine(tmp_path: Path) -> None:
    def staged(out: Path, progress: Progress) -> None:
        progress.stage("converting", 10.0)
        build(out, progress)
        progress.stage("checking")

    recipe = Recipe(plan(), staged, lambda out, p: {"agreement": 0.99}, {"dtype": ("fp32", "OPTION_DTYPE")})
    model = ensure(recipe, Solo(), CacheSettings(tmp_path), Stages())
    kept = manifest.read(model.path)
    assert (kept.key, kept.plan) == (key(plan()), content(plan()))
    assert kept.quality == {"agreement": 0.99}
    assert kept.options == {"dtype": ("fp32", "OPTION_DTYPE")}
    assert kept.fetched is None
    stages = kept.build["stages"]
    assert isinstance(stages, dict)
    assert list(stages) == ["converting", "checking", "writing the manifest"]
    text = (model.path / "manifest.json").read_text()
    assert not any(word in text for word in (str(tmp_path), socket.gethostname()))


def test_the_key_depends_on_every_part_of_the_plan() -> None:
    base = plan()
    others = [
        dataclasses.replace(base, runtime="other"),
        dataclasses.replace(base, model_type="gpt2"),
        dataclasses.replace(base, inputs={**base.inputs, "new.json": "x"}),
        dataclasses.replace(base, options={"dtype": "bf16"}),
        dataclasses.replace(base, versions={"openvino": "2"}),
        dataclasses.replace(base, device="gpu"),
        dataclasses.replace(base, world_size=2),
        dataclasses.replace(base, extra={"x": 1}),
    ]
    assert len({key(one) for one in [base, *others]}) == 9
    assert key(base) == key(plan())


def test_settings_are_as_the_options_say() -> None:
    options = Options(
        cache_dir="/x", cache="off", cache_max_size=Size(1 << 30), cache_remote="s3://bucket/models"
    )
    settings = CacheSettings.of(options, {})
    assert settings == CacheSettings(Path("/x"), "off", 1 << 30, "s3://bucket/models")
    assert settings.fingerprints == Path("/x/fingerprints.json")
    assert CacheSettings.of(Options(), {"DJL_CACHE_DIR": "/djl"}) == CacheSettings(Path("/djl/djl_trtllm"))
