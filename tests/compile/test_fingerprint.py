import os
import time
from pathlib import Path

import pytest
from blake3 import blake3

from djl_trtllm.compile import fingerprint
from djl_trtllm.compile.fingerprint import Memory, digests
from djl_trtllm.errors import ModelNotFound


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    file = tmp_path / "weights"
    file.write_bytes(b"x" * (3 << 20))
    age(file)
    return file


def age(file: Path) -> None:
    past = time.time() - 100
    os.utime(file, (past, past))


@pytest.mark.parametrize("size", [0, 10, (1 << 20) + 1])
def test_digests_are_blake3_of_the_content(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "f").write_bytes(content)
    assert fingerprint.digest(tmp_path / "f") == blake3(content).hexdigest()


def test_a_file_is_hashed_once(tmp_path: Path, old_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "cache" / "fingerprints.json"
    first = digests([("w", old_file)], Memory(memory))
    monkeypatch.setattr(fingerprint, "digest", lambda file: pytest.fail("hashed again"))
    assert digests([("w", old_file)], Memory(memory)) == first


def test_a_link_is_remembered_by_what_it_points_to(tmp_path: Path, old_file: Path) -> None:
    memory = Memory(tmp_path / "fingerprints.json")
    (tmp_path / "link").symlink_to(old_file)
    found = digests([("w", tmp_path / "link")], memory)
    assert found == {"w": fingerprint.digest(old_file)}


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_changed_file_is_hashed_again_even_with_its_old_time(
    tmp_path: Path, old_file: Path, keep_times: bool
) -> None:
    memory = tmp_path / "fingerprints.json"
    before = old_file.stat()
    first = digests([("w", old_file)], Memory(memory))
    with old_file.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"y")
    if keep_times:
        os.utime(old_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digests([("w", old_file)], Memory(memory)) != first


def test_a_file_written_a_moment_ago_is_not_remembered(tmp_path: Path) -> None:
    memory = tmp_path / "fingerprints.json"
    (tmp_path / "new").write_bytes(b"x")
    digests([("w", tmp_path / "new")], Memory(memory))
    assert not memory.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"/x": 3}', "\x00\xff"])
def test_a_broken_memory_costs_nothing_but_time(tmp_path: Path, old_file: Path, content: str) -> None:
    memory = tmp_path / "fingerprints.json"
    memory.write_text(content)
    assert digests([("w", old_file)], Memory(memory)) == {"w": fingerprint.digest(old_file)}
    assert str(old_file) in memory.read_text()


def test_a_memory_that_cannot_be_written_is_no_error(old_file: Path) -> None:
    assert digests([("w", old_file)], Memory(Path("/sys/none/fingerprints.json")))
    assert digests([("w", old_file)], Memory(None))


def test_two_processes_memories_are_joined(tmp_path: Path, old_file: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"z")
    age(other)
    file = tmp_path / "fingerprints.json"
    one, two = Memory(file), Memory(file)
    digests([("w", old_file)], one)
    digests([("o", other)], two)
    assert all(str(path) in file.read_text() for path in (old_file, other))
    assert [path.name for path in tmp_path.glob("fingerprints.json*")] == ["fingerprints.json"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"model\.safetensors cannot be read: No such file"):
        digests([("model.safetensors", tmp_path / "gone")], Memory(None))
