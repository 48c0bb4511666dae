"""What a build child says of the error that ended it."""

import errno
import io
from pathlib import Path

import msgspec
import pytest

from djl_trtllm.engines.building import child
from djl_trtllm.engines.building.news import Failed, News, Note, Stage
from djl_trtllm.errors import CompileError, OutOfMemory, UnsupportedModel


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), Failed("memory", ["MemoryError"])),
        (OutOfMemory("no room"), Failed("memory", ["no room"])),
        (RuntimeError("std::bad_alloc"), Failed("memory", ["std::bad_alloc"])),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            Failed("disk", ["No space left on device"], errno.ENOSPC),
        ),
        (CompileError("one", "two"), Failed("build", ["one", "two"])),
        (UnsupportedModel("not this"), Failed("unsupported", ["not this"])),
        (OSError("no number"), None),
        (ValueError("something"), None),
    ],
)
def test_verdicts(tmp_path: Path, error: BaseException, expected: Failed | None) -> None:
    assert child.verdict(error, tmp_path) == expected


@pytest.mark.parametrize(("free", "code"), [(0, errno.ENOSPC), (1 << 40, errno.EIO)])
def test_a_stream_of_cpp_that_fails_is_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, code: int
) -> None:
    class Usage:
        def __init__(self, free: int) -> None:
            self.free = free

    monkeypatch.setattr(child.shutil, "disk_usage", lambda path: Usage(free))
    found = child.verdict(RuntimeError("basic_ios::clear: iostream error"), tmp_path)
    assert found is not None
    assert (found.kind, found.errno) == ("disk", code)


def test_news_are_lines_that_the_parent_reads() -> None:
    stream = io.BytesIO()
    reporter = child.Reporter(stream)
    reporter.stage("converting", 50.0)
    reporter.note("by the way")
    lines = stream.getvalue().splitlines()
    assert [msgspec.json.decode(line, type=News) for line in lines] == [
        Stage("converting", 50.0),
        Note("by the way"),
    ]


def test_first_lines_are_one_line_and_end() -> None:
    assert child.first_lines(" a\n\n b ") == "a b"
    assert child.first_lines("x" * 20, 5) == "xxxxx…"
