"""The place of a repository: what is there before, at the end, and after a failure or a kill."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from djl_trtllm.errors import CompileError
from djl_trtllm.partition import repository
from tests.support.lmi_repositories import BY_CONFIG, BY_DIRECTORIES, valid_for

NEW = Path("tensorrt_llm", "1", "rank0.engine")

SLOW = """
import sys, time
from pathlib import Path
from djl_trtllm.partition import repository
from tests.partition.test_repository import lmi

def fill(stage):
    lmi(stage)
    print("filled", flush=True)
    time.sleep(600)

repository.publish(Path(sys.argv[1]), fill)
"""


def lmi(stage: Path, text: str = "new") -> None:
    home = stage / "tensorrt_llm"
    (home / "1").mkdir(parents=True)
    (home / "1" / "rank0.engine").write_text(text)
    (home / "config.pbtxt").touch()
    (home / "tokenizer_config.json").touch()


def flat(stage: Path, text: str = "new") -> None:
    (stage / "rank0.engine").write_text(text)
    (stage / "config.json").write_text('{"build_config": {}}')
    (stage / "tokenizer_config.json").touch()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_place_that_is_not_there(tmp_path) -> None:
    place = tmp_path / "trtllm" / "0123"
    repository.publish(place, lmi)
    assert (place / NEW).read_text() == "new"
    assert valid_for(place) == BY_DIRECTORIES
    assert names(place.parent) == ["0123"]


def test_a_place_that_is_there_as_a_volume_is(tmp_path) -> None:
    (tmp_path / "lost+found").mkdir()
    repository.publish(tmp_path, lmi)
    assert names(tmp_path) == ["lost+found", "tensorrt_llm"]
    repository.publish(tmp_path, lambda stage: lmi(stage, "newer"))
    assert (tmp_path / NEW).read_text() == "newer"
    assert valid_for(tmp_path) == BY_DIRECTORIES


def test_the_flat_layout_over_an_old_one(tmp_path) -> None:
    flat(tmp_path, "old")
    repository.publish(tmp_path, flat)
    assert names(tmp_path) == ["config.json", "rank0.engine", "tokenizer_config.json"]
    assert (tmp_path / "rank0.engine").read_text() == "new"
    assert valid_for(tmp_path) == BY_CONFIG


@pytest.mark.parametrize("fill", [lmi, flat])
@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_valid_before_all_of_it_is_there(tmp_path, monkeypatch, fill, there) -> None:
    """Every rename and every flush is looked behind; an old repository may be valid only until the first rename."""
    place = tmp_path / "0123"
    if there:
        place.mkdir()
    seen = []
    for name in ("rename", "mkdir"):
        real = getattr(Path, name)

        def watched(path: Path, *args: object, real=real, **more: object) -> object:
            seen.append(valid_for(place))
            return real(path, *args, **more)

        monkeypatch.setattr(Path, name, watched)
    repository.publish(place, fill)
    assert len(seen) > 3
    assert set(seen) == {()}
    assert valid_for(place)


def test_a_failure_leaves_the_old_one(tmp_path) -> None:
    lmi(tmp_path, "old")

    def fails(stage: Path) -> None:
        lmi(stage)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        CompileError, match=r"no space left for the model repository .* free\. Free some, or set"
    ):
        repository.publish(tmp_path, fails)
    assert names(tmp_path) == ["tensorrt_llm"]
    assert (tmp_path / NEW).read_text() == "old"


def test_a_place_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CompileError, match="cannot be written"):
        repository.publish(tmp_path / "file" / "0123", lmi)


@pytest.mark.parametrize("there", [True, False])
def test_a_kill_leaves_nothing_valid_and_the_next_one_tidies_up(tmp_path, there) -> None:
    place = tmp_path / "0123"
    if there:
        place.mkdir()
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(place)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "filled\n"
    assert valid_for(place) == ()
    debris = place if there else tmp_path
    assert len(names(debris)) == 1
    repository.publish(place, lmi)
    assert len(names(debris)) == 2, "what another one is at is left alone"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 30  # the kernel drops the lock a moment after the process
    while len(names(debris)) > 1 and time.monotonic() < deadline:
        repository.publish(place, lmi)
    assert names(debris) == (["tensorrt_llm"] if there else ["0123"])
