import os
import tempfile
from pathlib import Path

import pytest

from djl_trtllm.errors import LoadError
from djl_trtllm.local import workspace


@pytest.mark.parametrize(
    ("environ", "root"),
    [
        ({"DJL_CACHE_DIR": "/d", "XDG_CACHE_HOME": "/x"}, "/d/djl_trtllm"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/djl_trtllm"),
        ({}, str(Path.home() / ".cache" / "djl_trtllm")),
    ],
)
def test_cache_root(environ, root):
    assert str(workspace.cache_root(environ)) == root


def test_scratch_is_gone_at_the_end_and_so_is_what_killed_servers_left(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(workspace, "LONGEST_SCRATCH_PARENT", 1000)
    (abandoned := tmp_path / "djl-trtllm-999999999-x").mkdir()
    (others := tmp_path / f"djl-trtllm-{os.getppid()}-x").mkdir()
    (unrelated := tmp_path / "djl-trtllm-notes-x").mkdir()
    with workspace.scratch() as directory:
        assert directory.parent == tmp_path
        assert not abandoned.exists()
        (directory / "file").touch()
    assert not directory.exists()
    assert others.exists()
    assert unrelated.exists()


def test_a_long_temporary_directory_would_not_hold_a_socket(monkeypatch, tmp_path):
    (long := tmp_path / ("x" * 80)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with workspace.scratch() as directory:
        assert directory.parent == Path("/tmp")


def test_a_cache_that_others_can_fill_is_refused(tmp_path):
    cache = tmp_path / "djl_trtllm"
    workspace.check(cache)
    (cache / "jars").mkdir(parents=True)
    for directory in (cache, cache / "jars"):
        workspace.check(cache)
        directory.chmod(0o777)
        with pytest.raises(
            LoadError, match=r"is not used, because programs are run from there.* DJL_CACHE_DIR"
        ):
            workspace.check(cache)
        directory.chmod(0o755)


def test_a_cache_of_another_user_is_refused(tmp_path, monkeypatch):
    workspace.check(tmp_path)
    monkeypatch.setattr(workspace.os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    if tmp_path.stat().st_uid == 0:
        workspace.check(tmp_path)  # root's is everybody's
        os.chown(tmp_path, 12345, -1)
    with pytest.raises(LoadError, match="others than user"):
        workspace.check(tmp_path)
