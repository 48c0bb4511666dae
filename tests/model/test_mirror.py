from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest

from djl_trtllm.errors import ModelNotFound
from djl_trtllm.lock import Lease
from djl_trtllm.model import mirror
from djl_trtllm.model.mirror import Mirror
from djl_trtllm.options import places
from djl_trtllm.s3.address import Address
from djl_trtllm.s3.client import Done, Object
from djl_trtllm.s3.errors import Missing, Unreachable
from tests.support.plans import Stages

PLACE = Address("models", "llama")
ROOT = Path(__file__).resolve().parents[2]


class Store:
    """A client over a dictionary, which remembers what was fetched. It fails once it has fetched `breaks` files."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)
        self.fetched: list[str] = []
        self.breaks: int | None = None
        self.reachable = True

    def listing(self, place: Address) -> Sequence[Object]:
        if not self.reachable:
            raise Unreachable("S3 cannot be reached.")
        return [
            Object(name, len(content), hashlib.md5(content).hexdigest())
            for name, content in sorted(self.objects.items())
        ]

    def fetch(self, place: Address, files: Mapping[Path, Object], done: Done) -> None:
        for count, (target, wanted) in enumerate(files.items()):
            if count == self.breaks:
                raise Unreachable("S3 cannot be reached.")
            target.write_bytes(self.objects[wanted.name])
            self.fetched.append(wanted.name)
            done(wanted.size)

    def read(self, place: Address) -> bytes:
        raise Missing

    def store(self, place: Address, files: Mapping[str, Path], done: Done) -> None:
        raise Missing

    def remove(self, place: Address) -> None:
        raise Missing


def everything(names: Collection[str]) -> list[str]:
    return list(names)


@pytest.fixture
def store() -> Store:
    return Store({"config.json": b"{}", "a.safetensors": b"weights", "llama/1/rank0.engine": b"engine"})


def follow(store: Store, root: Path, purpose: str = "model_id") -> Path:
    return Mirror(PLACE, root, purpose).follow(store, everything, Stages())


def content(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def snapshots(root: Path) -> list[str]:
    return [path.name for path in root.glob("llama-*/*") if path.is_dir()]


def test_what_did_not_change_is_fetched_once(store: Store, tmp_path: Path) -> None:
    found = follow(store, tmp_path)
    assert content(found) == store.objects
    assert follow(store, tmp_path) == found
    assert sorted(store.fetched) == sorted(store.objects)
    assert snapshots(tmp_path) == [found.name]


def test_only_chosen_files_are_fetched_and_none_with_a_name_that_leads_away(
    store: Store, tmp_path: Path
) -> None:
    seen: list[str] = []

    def choose(names: Collection[str]) -> list[str]:
        seen.extend(names)
        return ["config.json"]

    store.objects |= {
        "../config.json": b"evil",
        "a//b.json": b"evil",
        "/etc/x.json": b"evil",
        "a\nb.json": b"evil",
    }
    found = Mirror(PLACE, tmp_path, "model_id").follow(store, choose, Stages())
    assert seen == ["a.safetensors", "config.json", "llama/1/rank0.engine"]
    assert content(found) == {"config.json": b"{}"}


def test_a_change_is_another_directory_and_the_rest_is_shared(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = follow(store, tmp_path)
    store.fetched.clear()
    store.objects["config.json"] = b"[]"
    del store.objects["llama/1/rank0.engine"]
    second = follow(store, tmp_path)
    assert store.fetched == ["config.json"]
    assert content(second) == store.objects
    assert (second / "a.safetensors").samefile(first / "a.safetensors")
    assert first.exists(), "this process uses it"
    monkeypatch.setattr(os, "link", _no_links)
    store.objects["config.json"] = b"()"
    assert content(follow(store, tmp_path)) == store.objects
    assert store.fetched == ["config.json", "config.json"]


def _no_links(*paths: object) -> None:
    raise PermissionError(1, "no links here")


def test_directories_go_once_no_process_uses_them(store: Store, tmp_path: Path) -> None:
    code = "\n".join(
        (
            "import sys; from pathlib import Path",
            "from tests.model.test_mirror import Store, follow",
            "store = Store({'config.json': sys.argv[2].encode()})",
            "print(follow(store, Path(sys.argv[1])), flush=True)",
            "sys.stdin.readline()",
        )
    )

    def process(text: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, str(tmp_path), text]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    old, new = process("old"), process("old")
    assert old.stdout is not None
    assert new.stdout is not None
    first = old.stdout.readline().strip()
    assert new.stdout.readline().strip() == first
    old.communicate("\n")
    second = follow(Store({"config.json": b"new"}), tmp_path)
    assert sorted(snapshots(tmp_path)) == sorted([Path(first).name, second.name])
    new.communicate("\n")
    assert follow(Store({"config.json": b"new"}), tmp_path) == second
    assert snapshots(tmp_path) == [second.name]
    assert not list(tmp_path.glob(f"*/{Path(first).name}.*"))


def test_what_arrived_before_a_failure_is_kept(store: Store, tmp_path: Path) -> None:
    store.breaks = 2
    with pytest.raises(Unreachable):
        follow(store, tmp_path)
    assert not list(tmp_path.glob("*/latest"))
    (home,) = tmp_path.iterdir()
    (home / "incoming" / "0123456789abcdef.part").write_bytes(b"of another object")
    store.breaks = None
    found = follow(store, tmp_path)
    assert content(found) == store.objects
    assert len(store.fetched) == 3
    assert not (home / "incoming").exists()


def test_a_damaged_directory_is_made_anew(store: Store, tmp_path: Path) -> None:
    found = follow(store, tmp_path)
    (found / "a.safetensors").write_bytes(b"cut")
    store.fetched.clear()
    assert follow(store, tmp_path) == found
    assert content(found) == store.objects
    assert store.fetched == ["a.safetensors"]


def test_without_a_network_the_last_one_is_used_with_a_warning(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.reachable = False
    with pytest.raises(Unreachable):
        follow(store, tmp_path)
    store.reachable = True
    found = follow(store, tmp_path)
    store.reachable = False
    assert follow(store, tmp_path) == found
    assert "may be older than what is there" in caplog.text
    (found / "config.json").unlink()
    with pytest.raises(Unreachable):
        follow(store, tmp_path)
    for damaged in ("[]", "{", '{"a": 1}'):
        found.with_suffix(".json").write_text(damaged)
        with pytest.raises(Unreachable):
            follow(store, tmp_path)


def test_two_uses_of_one_address_are_apart(store: Store, tmp_path: Path) -> None:
    assert follow(store, tmp_path).parent != follow(store, tmp_path, "tokenizer").parent


def test_a_directory_that_others_can_fill_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = follow(store, tmp_path)
    found.parent.chmod(0o777)
    with pytest.raises(ModelNotFound, match=r"others than user .*option\.cache_dir"):
        follow(store, tmp_path)
    found.parent.chmod(0o755)
    foreign = os.stat_result((0o40755, 0, 0, 0, 12345, 0, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda path, **how: foreign)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(ModelNotFound, match="others than user 54321"):
        mirror._check_owner(found.parent)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    mirror._check_owner(found.parent)


def test_what_does_not_fit(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "free_bytes", lambda path: 10)
    with pytest.raises(ModelNotFound, match=r"Downloading s3://models/llama needs .*option\.cache_dir"):
        follow(store, tmp_path)
    assert store.fetched == []


def test_processes_do_not_fetch_at_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(store, tmp_path)
    (home,) = tmp_path.iterdir()
    other = Lease(home / "lock")
    assert other.acquire()
    stages = Stages()

    def waited(seconds: float) -> None:
        assert stages.names == ["waiting for another process that fetches s3://models/llama"]
        other.release()

    monkeypatch.setattr(mirror.time, "sleep", waited)
    Mirror(PLACE, tmp_path, "model_id").follow(store, everything, stages)
    assert len(store.fetched) == 3
