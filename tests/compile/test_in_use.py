"""Who uses what: shared by those who serve, alone for who removes, and nothing lost where it cannot be recorded."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from djl_trtllm.compile.in_use import Use


def test_several_may_use_one_thing_and_one_alone_removes_it(tmp_path: Path) -> None:
    one, two, remover = (Use(tmp_path / "used" / "k") for _ in range(3))
    assert remover.last() is None
    assert not one.busy()
    one.hold()
    two.hold()
    one.hold()
    assert remover.busy()
    assert not remover.alone()
    one.release()
    assert not remover.alone()
    two.release()
    two.release()
    assert not remover.busy()
    assert remover.alone()
    assert one.busy()
    remover.release()


def test_the_last_use_is_when_one_began(tmp_path: Path) -> None:
    use = Use(tmp_path / "k")
    use.hold()
    os.utime(tmp_path / "k", (1, 1))
    assert use.last() == 1
    use.hold()
    assert time.time() - (use.last() or 0) < 60
    use.release()


def test_who_would_remove_what_is_in_use_notes_that_it_is(tmp_path: Path) -> None:
    use = Use(tmp_path / "k")
    use.hold()
    os.utime(tmp_path / "k", (1, 1))
    assert use.busy()
    assert use.last() == 1
    assert not Use(tmp_path / "k").alone()
    assert time.time() - (use.last() or 0) < 60
    use.release()


def test_who_begins_waits_for_who_is_removing(tmp_path: Path) -> None:
    remover, use = Use(tmp_path / "k"), Use(tmp_path / "k")
    assert remover.alone()
    begun = threading.Thread(target=use.hold)
    begun.start()
    time.sleep(0.1)
    remover.release()
    begun.join(60)
    assert not remover.alone()
    use.release()


def test_a_read_only_disk_has_locks_but_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "k").touch()
    real = os.open

    def read_only(path: Path, flags: int, *more: int) -> int:
        if flags & (os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", read_only)
    absent = Use(tmp_path / "absent")
    absent.hold()
    assert not absent.busy()
    assert not absent.alone()
    use = Use(tmp_path / "k")
    use.hold()
    assert Use(tmp_path / "k").busy()
    use.release()


def test_a_cache_that_was_removed_and_made_anew_is_used_anew(tmp_path: Path) -> None:
    use = Use(tmp_path / "used" / "k")
    use.hold()
    shutil.rmtree(tmp_path / "used")
    use.hold()
    assert Use(tmp_path / "used" / "k").busy()
    use.release()
