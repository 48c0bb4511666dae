import errno
from pathlib import Path

import pytest

from djl_trtllm.compile import disk


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "There is no space left"),
        (errno.EDQUOT, "There is no space left"),
        (errno.EROFS, "Nothing can be written"),
        (errno.EACCES, "option.cache=off"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_disk_errors_name_the_directory_and_the_option(tmp_path: Path, code: int, words: str) -> None:
    import os

    error = disk.problem(OSError(code, os.strerror(code)), tmp_path / "not" / "there")
    assert words in str(error)
    assert str(tmp_path) in str(error)
    assert "option.cache_dir" in str(error)


def test_sizes_are_written_as_people_write_them() -> None:
    assert [disk.size(n) for n in (10, 2048, 3 << 20, 5 << 29, 1 << 41)] == [
        "10 bytes",
        "2 KiB",
        "3.0 MiB",
        "2.5 GiB",
        "2.0 TiB",
    ]
