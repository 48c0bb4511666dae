"""What was fetched from S3, as it is listed and removed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from djl_trtllm.lock import Lease
from djl_trtllm.model import fetched, snapshot
from tests.model.test_mirror import ROOT, Store, follow

CONTENT = {"config.json": b"{}", "a.safetensors": b"w" * 5000}


@pytest.fixture(autouse=True)
def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests fetch is fetched by others."""
    monkeypatch.setattr(snapshot, "_in_use", {})


def fetch(cache: Path, purpose: str = "model_id", used: float = 1e9) -> Path:
    """Fetch, end using it, and set when that was."""
    path = follow(Store(CONTENT), cache / fetched.DIRECTORY, purpose)
    snapshot._in_use.pop(path).release()
    os.utime(path.with_suffix(".used"), (used, used))
    return path


def test_what_is_there_and_when_it_was_used(tmp_path: Path) -> None:
    assert fetched.below(tmp_path) == []
    path = fetch(tmp_path, used=1.5e9)
    (one,) = fetched.below(tmp_path)
    assert (one.path, one.name) == (path, f"{path.parent.name}/{path.name}")
    assert (one.bytes, one.last_use()) == (5002, 1.5e9)
    assert fetch(tmp_path, used=1.6e9) == path
    assert one.last_use() == 1.6e9


def test_an_unused_one_goes_and_is_fetched_again(tmp_path: Path) -> None:
    path = fetch(tmp_path, used=1.5e9)
    (one,) = fetched.below(tmp_path)
    assert one.remove(dry_run=True)
    assert (path.is_dir(), one.last_use()) == (True, 1.5e9)
    assert one.remove(dry_run=False)
    assert sorted(item.name for item in path.parent.iterdir()) == ["latest", "lock"]
    assert fetched.below(tmp_path) == []
    assert fetch(tmp_path) == path
    assert (path / "a.safetensors").stat().st_size == 5000


def test_what_another_process_uses_stays(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.model.test_mirror import Store, follow;"
        "from tests.model.test_fetched import CONTENT;"
        "follow(Store(CONTENT), Path(sys.argv[1])); print('using', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / fetched.DIRECTORY)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "using\n"
        (one,) = fetched.below(tmp_path)
        assert not one.remove(dry_run=True)
        assert not one.remove(dry_run=False)
        user.communicate("\n")
    assert one.path.is_dir()
    assert one.remove(dry_run=False)


def test_what_is_being_fetched_stays(tmp_path: Path) -> None:
    path = fetch(tmp_path)
    fetching = Lease(path.parent / "lock")
    assert fetching.acquire()
    assert not any(one.remove(dry_run=False) for one in fetched.below(tmp_path))
    fetching.release()


def test_a_download_that_was_broken_off_counts_by_what_has_arrived(tmp_path: Path) -> None:
    home = fetch(tmp_path).parent
    (home / "incoming").mkdir()
    with (home / "incoming" / "ab.part").open("wb") as part:
        part.truncate(10 << 20)
        part.write(bytes(4096))
    one = next(one for one in fetched.below(tmp_path) if one.path.name == "incoming")
    assert 4096 <= one.bytes < 1 << 20
    assert one.last_use() > 1.7e9
    assert one.remove(dry_run=True)
    assert one.path.is_dir()
    assert one.remove(dry_run=False)
    assert not one.path.exists()


def test_where_there_are_no_locks_nothing_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(tmp_path)

    def none(*arguments: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    assert not any(one.remove(dry_run=False) for one in fetched.below(tmp_path))


def test_one_that_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(tmp_path)

    def refused(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)
    (one,) = fetched.below(tmp_path)
    assert not one.remove(dry_run=False)
    assert "cannot be removed: Permission denied" in caplog.text
