"""Cache directories that others could fill are refused, with what to do about it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from djl_trtllm.compile import trust
from djl_trtllm.compile.plan import key
from djl_trtllm.errors import CompileError
from tests.support.plans import compiled, plan

ME, OTHER, ROOT = 1000, 1001, 0


class Owners:
    """Says who owns which directory, and who asks, as if this were a machine with several users."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, user: int) -> None:
        self._owners: dict[Path, int] = {}
        self._user = user
        real = Path.stat

        def owned(path: Path, **more: bool) -> os.stat_result:
            found = list(real(path, **more))
            found[stat.ST_UID] = self._owners.get(path, user)
            return os.stat_result(found)

        monkeypatch.setattr(Path, "stat", owned)
        monkeypatch.setattr(os, "geteuid", lambda: user)

    def give(self, directory: Path, owner: int) -> None:
        self._owners[directory] = owner


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    root = tmp_path / "cache"
    (root / "artifacts").mkdir(parents=True)
    return root


def refusal(root: Path) -> str:
    try:
        trust.check(root, root / "artifacts", root / "not there")
    except CompileError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("user", [ME, ROOT])
def test_nobody_else_may_write(root: Path, monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    Owners(monkeypatch, user)
    assert refusal(root) == ""
    root.chmod(0o775)
    assert refusal(root) == "", "its group is whom its owner chose"
    root.chmod(0o777)
    assert f"anybody may write to {root}. Run chmod o-w on it" in refusal(root)
    assert "option.cache_dir" in refusal(root)
    root.chmod(0o1777)
    assert refusal(root) == ""
    (root / "artifacts").chmod(0o1777)
    assert f"anybody may write to {root / 'artifacts'}" in refusal(root)


def test_a_user_takes_nothing_from_another_but_from_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = Owners(monkeypatch, ME)
    owners.give(root, ROOT)
    assert refusal(root) == ""
    owners.give(root, OTHER)
    assert f"{root} belongs to user 1001, while this is user 1000. Run chown 1000 on it" in refusal(root)
    owners.give(root, ME)
    owners.give(root / "artifacts", OTHER)
    assert refusal(root) == "", "a group may share a directory"
    root.chmod(0o1777)
    assert f"{root / 'artifacts'} belongs to user 1001" in refusal(root)


def test_root_takes_what_a_container_mounts_unless_anybody_could_have_put_it_there(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = Owners(monkeypatch, ROOT)
    owners.give(root, OTHER)
    assert refusal(root) == ""
    root.parent.chmod(0o1777)
    assert f"{root} belongs to user 1001" in refusal(root)


def test_such_a_directory_is_neither_read_nor_written(tmp_path: Path) -> None:
    first = compiled(tmp_path)
    for directory in (tmp_path, tmp_path / "artifacts", first.path):
        directory.chmod(0o777)
        with pytest.raises(CompileError, match="anybody may write to"):
            compiled(tmp_path)
        assert not compiled(tmp_path, mode="off").hit
        directory.chmod(0o755)
    assert compiled(tmp_path).hit


def test_no_umask_makes_what_would_be_refused(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        first = compiled(tmp_path / "deep" / "cache")
    finally:
        os.umask(before)
    assert compiled(tmp_path / "deep" / "cache").hit
    open_to_all = [
        path
        for path in (tmp_path / "deep" / "cache").rglob("*")
        if path.stat().st_mode & stat.S_IWOTH and "artifacts" in path.parts
    ]
    assert open_to_all == []
    assert first.path.name == key(plan())
