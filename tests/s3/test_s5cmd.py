from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from djl_trtllm.s3 import errors
from djl_trtllm.s3.address import Address
from djl_trtllm.s3.client import FOR_CACHE, Object, Patience
from djl_trtllm.s3.s5cmd import S5cmd
from tests.support import fake_s5cmd

PLACE = Address("models", "llama 3/8b")


class Store:
    """Buckets in a directory, and s5cmd over them."""

    def __init__(self, root: Path) -> None:
        self.root = root / "buckets"
        (self.root / "models").mkdir(parents=True)
        self.binary = fake_s5cmd.write(root)
        self.log = root / "log"
        self.environ = {"FAKE_S5CMD": str(self.root), "FAKE_S5CMD_LOG": str(self.log)}

    def client(self, patience: Patience = FOR_CACHE, **environ: str) -> S5cmd:
        return S5cmd(self.binary, {**self.environ, **environ}, patience)

    def put(self, key: str, content: bytes) -> None:
        (self.root / key).parent.mkdir(parents=True, exist_ok=True)
        (self.root / key).write_bytes(content)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_listing_and_fetching(store: Store, tmp_path: Path) -> None:
    for key in ("config.json", "it's odd", "sub/empty"):
        store.put(f"models/llama 3/8b/{key}", key.encode() if "empty" not in key else b"")
    store.put("models/llama 3/8bit/other", b"other")
    client = store.client(AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")
    listed = client.listing(PLACE)
    assert listed == [
        Object("config.json", 11, hashlib.md5(b"config.json").hexdigest()),
        Object("it's odd", 8, hashlib.md5(b"it's odd").hexdigest()),
        Object("sub/empty", 0, hashlib.md5(b"").hexdigest()),
    ]
    done: list[int] = []
    client.fetch(PLACE, {tmp_path / "out [1]" / item.name: item for item in listed}, done.append)
    found = {path.name: path.read_bytes() for path in (tmp_path / "out [1]").rglob("*") if path.is_file()}
    assert found == {"config.json": b"config.json", "it's odd": b"it's odd", "empty": b""}
    assert sum(done) == 19
    assert store.log.read_text().splitlines() == [
        "http://127.0.0.1:9 --json --retry-count 1 ls 's3://models/llama 3/8b/*'",
        "http://127.0.0.1:9 --json --retry-count 1 --numworkers 16 run",
        "http://127.0.0.1:9 --json --retry-count 1 ls 's3://models/llama 3/8b/*'",
    ]


def test_an_object_that_is_replaced_meanwhile(store: Store, tmp_path: Path) -> None:
    store.put("models/llama 3/8b/a", b"old")
    client = store.client()
    (wanted,) = client.listing(PLACE)
    hook = store.root / "after-cp"
    hook.write_text(f"#!/bin/sh\nprintf new > '{store.root}/models/llama 3/8b/a'\n")
    hook.chmod(0o755)
    with pytest.raises(errors.Changed, match="8b/a was replaced"):
        client.fetch(PLACE, {tmp_path / "a": wanted}, lambda count: None)
    assert not (tmp_path / "a").exists()
    (store.root / "models/llama 3/8b/a").unlink()
    with pytest.raises(errors.Missing):
        client.fetch(PLACE, {tmp_path / "a": wanted}, lambda count: None)


def test_storing_reading_and_removing(store: Store, tmp_path: Path) -> None:
    client = store.client()
    (tmp_path / "a*").write_bytes(b"content")
    done: list[int] = []
    client.store(PLACE, {"k/a": tmp_path / "a*"}, done.append)
    assert done == [7]
    assert client.read(PLACE / "k/a") == b"content"
    client.remove(PLACE / "k/a")
    client.remove(PLACE / "k/a")
    with pytest.raises(errors.Missing, match="no object s3://models/llama 3/8b/k/a"):
        client.read(PLACE / "k/a")
    client.store(PLACE, {}, done.append)


def test_nothing_there(store: Store) -> None:
    with pytest.raises(errors.Missing, match="nothing below s3://models/llama 3/8b/"):
        store.client().listing(PLACE)
    with pytest.raises(errors.Missing, match="no bucket nowhere"):
        store.client().listing(Address("nowhere"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "AccessDenied: Access Denied status code: 403, request id: hidden, host id: hidden",
            "do not allow access",
        ),
        ("ExpiredToken: The provided token has expired. status code: 400", "have expired"),
        ("NoCredentialProviders: no valid providers in chain. Deprecated.", "no AWS credentials"),
        (
            "MultipartUpload: upload multipart failed upload id: hidden caused by: AccessDenied: x",
            "do not allow",
        ),
        (
            'RequestError: send request failed caused by: Get "http://h/?X-Amz-Signature=hidden": dial tcp: refused',
            r"cannot be reached at s3\.local:9000",
        ),
        ("BucketRegionError: incorrect region, the bucket is not in 'us-east-1'", "another region"),
        ("Strange: hidden", "answered Strange"),
        ("hidden", "an error without a code"),
    ],
)
def test_what_s5cmd_says_becomes_a_sentence(store: Store, said: str, words: str) -> None:
    client = store.client(FAKE_S5CMD_ERROR=said, S3_ENDPOINT_URL="http://s3.local:9000")
    with pytest.raises(errors.S3Error, match=words) as caught:
        client.listing(PLACE)
    assert "hidden" not in str(caught.value)


def test_errors_of_this_machines_disk(store: Store, tmp_path: Path) -> None:
    client = store.client(FAKE_S5CMD_ERROR="write /x/y: no space left on device")
    with pytest.raises(OSError, match="No space") as caught:
        client.fetch(PLACE, {tmp_path / "a": Object("a", 1, "")}, lambda count: None)
    assert caught.value.errno == errno.ENOSPC


def test_an_answer_is_not_waited_for_without_end(store: Store) -> None:
    client = store.client(Patience(connect=0.2, read=0.2, attempts=1), FAKE_S5CMD_ERROR="sleeps")
    with pytest.raises(errors.Unreachable, match="ReadTimeoutError"):
        client.listing(PLACE)


def test_too_many_objects(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("djl_trtllm.s3.client.MOST_OBJECTS", 1)
    for name in "ab":
        store.put(f"models/llama 3/8b/{name}", b"x")
    with pytest.raises(errors.S3Error, match="more than 1 objects"):
        store.client().listing(PLACE)
