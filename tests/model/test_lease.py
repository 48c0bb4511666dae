import os
from pathlib import Path

import pytest

from djl_trtllm.model.lease import Lease


def test_one_changes_or_several_use(tmp_path: Path) -> None:
    one, other, third = (Lease(tmp_path / "lock") for _ in range(3))
    assert one.take(shared=True)
    assert other.take(shared=True)
    assert not third.take()
    one.release()
    other.release()
    other.release()
    assert third.take()
    assert not one.take(shared=True)
    third.release()


def test_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open
    (tmp_path / "lock").touch()

    def read_only(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(13, "no")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", read_only)
    assert Lease(tmp_path / "absent").take()
    one, other = Lease(tmp_path / "lock"), Lease(tmp_path / "lock")
    assert one.take()
    assert not other.take()
    one.release()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lease(tmp_path / "nowhere" / "lock").take()
