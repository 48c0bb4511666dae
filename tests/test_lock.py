import errno
import fcntl
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from djl_trtllm.lock import Lease, Lock


def test_a_lock_is_held_by_one_and_free_after_release(tmp_path: Path) -> None:
    one, two = Lock(tmp_path / "l"), Lock(tmp_path / "l")
    assert one.acquire()
    assert not two.acquire()
    one.release()
    one.release()
    assert two.acquire()
    two.release()


def test_a_lock_dies_with_its_process_and_children_do_not_keep_it(tmp_path: Path) -> None:
    script = (
        "import sys, subprocess; from pathlib import Path; from djl_trtllm.lock import Lock;"
        "lock = Lock(Path(sys.argv[1])); assert lock.acquire();"
        "child = subprocess.Popen(['sleep', '60'], close_fds=False); print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "l")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        lock = Lock(tmp_path / "l")
        assert not lock.acquire()
        holder.kill()
        holder.wait()
        assert lock.acquire()
        lock.release()
        subprocess.run(["kill", str(child)], check=True)


def test_without_locks_it_is_free_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with caplog.at_level(logging.WARNING):
        lock = Lock(tmp_path / "l")
        assert lock.acquire()
    assert "has no file locks" in caplog.text
    lock.release()


def test_other_errors_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="I/O error"):
        Lock(tmp_path / "l").acquire()


def test_one_has_it_or_several_share_it(tmp_path: Path) -> None:
    one, other, third = (Lease(tmp_path / "lock") for _ in range(3))
    assert one.acquire(shared=True)
    assert other.acquire(shared=True)
    assert not third.acquire()
    one.release()
    other.release()
    other.release()
    assert third.acquire()
    assert not one.acquire(shared=True)
    third.release()


def test_a_lease_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open
    (tmp_path / "lock").touch()

    def read_only(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(13, "no")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", read_only)
    assert Lease(tmp_path / "absent").acquire()
    one, other = Lease(tmp_path / "lock"), Lease(tmp_path / "lock")
    assert one.acquire()
    assert not other.acquire()
    one.release()


def test_a_lease_in_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lease(tmp_path / "nowhere" / "lock").acquire()
