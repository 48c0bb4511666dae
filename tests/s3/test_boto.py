from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.s3 import errors
from djl_trtllm.s3.address import Address, parse
from djl_trtllm.s3.boto import Boto
from djl_trtllm.s3.client import FOR_CACHE, Object, Patience
from tests.support import s3

BIG = hashlib.sha256(b"seed").digest() * 1000
PATIENCE = Patience(connect=20, read=60, attempts=3)


@pytest.fixture(scope="module")
def client(s3_server: s3.S3) -> Iterator[Boto]:
    """One for the file: making one takes the SDK half a second."""
    with pytest.MonkeyPatch.context() as patch:
        s3.point(patch, s3_server.environ)
        patch.setattr("djl_trtllm.s3.boto._PAUSE", 0.0)
        yield Boto(PATIENCE, piece=4096)


def files(client: Boto, place: Address, out: Path) -> dict[Path, Object]:
    return {out / item.name: item for item in client.listing(place)}


def ranges(client: Boto, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ranges that are asked for from now on."""
    asked: list[str] = []
    whole = client._s3.get_object

    def get(**words: Any) -> Any:
        asked.append(words["Range"])
        return whole(**words)

    monkeypatch.setattr(client._s3, "get_object", get)
    return asked


def test_objects_are_listed_and_fetched_several_pieces_at_once(
    s3_server: s3.S3, client: Boto, tmp_path: Path
) -> None:
    objects = {"m/big": BIG, "m/config.json": b"{}", "m/sub/empty": b"", "m/sub/": b"", "m2/other": b"x"}
    place = parse(s3_server.bucket("boto-fetch", objects)) / "m"
    listed = client.listing(place)
    assert [(item.name, item.size) for item in listed] == [
        ("big", len(BIG)),
        ("config.json", 2),
        ("sub/empty", 0),
    ]
    assert listed[0].etag == hashlib.md5(BIG).hexdigest()
    done: list[int] = []
    client.fetch(place, {tmp_path / item.name: item for item in listed}, done.append)
    found = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == {
        "big": BIG,
        "config.json": b"{}",
        "sub/empty": b"",
    }
    assert sum(done) == len(BIG) + 2
    assert len(client.listing(Address("boto-fetch"))) == 4


def test_a_fetch_goes_on_where_the_last_one_broke_off(
    s3_server: s3.S3, client: Boto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = parse(s3_server.bucket("boto-resume", {"m/big": BIG})) / "m"
    whole = client._s3.get_object

    def broken(**words: Any) -> Any:
        if words["Range"] == "bytes=8192-12287":
            raise KeyboardInterrupt
        return whole(**words)

    monkeypatch.setattr(client._s3, "get_object", broken)
    with pytest.raises(KeyboardInterrupt):
        client.fetch(place, files(client, place, tmp_path), lambda count: None)
    assert not (tmp_path / "big").exists()
    assert (tmp_path / "big.part").exists()
    monkeypatch.setattr(client._s3, "get_object", whole)
    asked = ranges(client, monkeypatch)
    done: list[int] = []
    client.fetch(place, files(client, place, tmp_path), done.append)
    assert (tmp_path / "big").read_bytes() == BIG
    assert "bytes=8192-12287" in asked
    assert len(asked) < 8
    assert sum(done) == len(BIG)


class Torn:
    """A body that ends in the middle, as the SDK tells it."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __enter__(self) -> Torn:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def iter_chunks(self, size: int) -> Any:
        from botocore.exceptions import IncompleteReadError

        yield self.data[:10]
        raise IncompleteReadError(actual_bytes=10, expected_bytes=len(self.data))


def test_a_body_that_breaks_off_is_asked_for_from_there(
    s3_server: s3.S3, client: Boto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = parse(s3_server.bucket("boto-torn", {"m/small": b"0123456789abcdef"})) / "m"
    asked = ranges(client, monkeypatch)
    counting = client._s3.get_object

    def torn(**words: Any) -> Any:
        answer = counting(**words)
        return {"Body": Torn(answer["Body"].read())} if len(asked) == 1 else answer

    monkeypatch.setattr(client._s3, "get_object", torn)
    client.fetch(place, files(client, place, tmp_path), lambda count: None)
    assert asked == ["bytes=0-15", "bytes=10-15"]
    assert (tmp_path / "small").read_bytes() == b"0123456789abcdef"


def test_an_object_that_is_replaced_or_removed_meanwhile(
    s3_server: s3.S3, client: Boto, tmp_path: Path
) -> None:
    place = parse(s3_server.bucket("boto-changed", {"m/a": b"old", "m/b": b"b"})) / "m"
    wanted = files(client, place, tmp_path)
    s3_server.client.put_object(Bucket="boto-changed", Key="m/a", Body=b"new")
    with pytest.raises(errors.Changed, match="s3://boto-changed/m/a was replaced"):
        client.fetch(place, wanted, lambda count: None)
    assert not (tmp_path / "a").exists()
    s3_server.client.delete_object(Bucket="boto-changed", Key="m/a")
    with pytest.raises(errors.Changed, match="s3://boto-changed/m/a was replaced"):
        client.fetch(place, wanted, lambda count: None)


def test_a_damaged_piece_is_found_by_the_checksum_and_fetched_anew(
    s3_server: s3.S3, client: Boto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from djl_trtllm.s3.partial import Partial

    place = parse(s3_server.bucket("boto-damaged", {"m/big": BIG})) / "m"
    right = Partial.write

    def wrong(self: Partial, offset: int, data: bytes) -> None:
        right(self, offset, bytes(len(data)) if offset == 4096 else data)

    monkeypatch.setattr(Partial, "write", wrong)
    with pytest.raises(errors.S3Error, match="arrived damaged"):
        client.fetch(place, files(client, place, tmp_path), lambda count: None)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(Partial, "write", right)
    client.fetch(place, files(client, place, tmp_path), lambda count: None)
    assert (tmp_path / "big").read_bytes() == BIG


def test_objects_are_stored_read_and_removed(s3_server: s3.S3, client: Boto, tmp_path: Path) -> None:
    place = parse(s3_server.bucket("boto-store")) / "cache"
    (tmp_path / "a").write_bytes(BIG)
    done: list[int] = []
    client.store(place, {"k/a": tmp_path / "a", "k/b": tmp_path / "a"}, done.append)
    assert sum(done) == 2 * len(BIG)
    assert s3_server.keys("boto-store") == ["cache/k/a", "cache/k/b"]
    assert client.read(place / "k/a") == BIG
    client.remove(place / "k/a")
    client.remove(place / "k/a")
    with pytest.raises(errors.Missing, match="s3://boto-store/cache/k/a"):
        client.read(place / "k/a")


def test_files_are_stored_while_the_process_ends(
    s3_server: s3.S3, client: Boto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread may still run then, and pools take nothing any more."""
    place = parse(s3_server.bucket("boto-ends"))
    real = client._s3.upload_file

    def upload(*words: str, Config: Any = None) -> None:  # noqa: N803
        if Config is None or Config.use_threads:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        real(*words, Config=Config)

    monkeypatch.setattr(client._s3, "upload_file", upload)
    (tmp_path / "a").write_bytes(BIG)
    client.store(place, {"a": tmp_path / "a"}, lambda count: None)
    assert s3_server.content("boto-ends", "a") == BIG


def test_an_object_that_was_put_in_parts(
    s3_server: s3.S3, client: Boto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ETag is no MD5, and its checksum is one of checksums."""
    from boto3.s3.transfer import TransferConfig

    place = parse(s3_server.bucket("boto-parts")) / "m"
    (tmp_path / "there").write_bytes(BIG * 200)
    parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3_server.client.upload_file(str(tmp_path / "there"), "boto-parts", "m/here", Config=parts)
    (wanted,) = client.listing(place)
    assert wanted.etag.endswith("-2")
    monkeypatch.setattr(client, "_piece", 1 << 20)
    client.fetch(place, {tmp_path / "here": wanted}, lambda count: None)
    assert (tmp_path / "here").read_bytes() == BIG * 200


def test_nothing_there(s3_server: s3.S3, client: Boto, tmp_path: Path) -> None:
    s3_server.bucket("boto-empty", {"m/a": b""})
    with pytest.raises(errors.Missing, match="nothing below s3://boto-empty/x/"):
        client.listing(Address("boto-empty", "x"))
    with pytest.raises(errors.Missing, match="no bucket boto-nowhere"):
        client.listing(Address("boto-nowhere", "x"))
    (tmp_path / "a").touch()
    with pytest.raises(errors.Missing, match="no bucket boto-nowhere"):
        client.store(Address("boto-nowhere"), {"a": tmp_path / "a"}, lambda count: None)


def test_too_many_objects(s3_server: s3.S3, client: Boto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("djl_trtllm.s3.client.MOST_OBJECTS", 2)
    place = parse(s3_server.bucket("boto-many", {f"m/{n}": b"" for n in range(3)}))
    with pytest.raises(errors.S3Error, match="more than 2 objects below s3://boto-many"):
        client.listing(place)


@pytest.mark.parametrize(
    ("code", "words"),
    [("AccessDenied", "do not allow access"), ("ExpiredToken", "have expired"), ("SlowDown", "SlowDown")],
)
def test_refusals(client: Boto, code: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    def refuse(**words: Any) -> Any:
        raise ClientError(
            {"Error": {"Code": code, "Message": "https://x/?X-Amz-Signature=hidden"}}, "GetObject"
        )

    monkeypatch.setattr(client._s3, "get_object", refuse)
    with pytest.raises(errors.S3Error, match=words) as caught:
        client.read(Address("boto-any", "a"))
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_requests_are_not_logged(client: Boto, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"), pytest.raises(errors.Missing):
        client.read(Address("boto-logged", "a"))
    assert "testing-key" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("boto")]


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        host = f"127.0.0.1:{free.getsockname()[1]}"
        s3.point(monkeypatch, {**s3.ENVIRONMENT, "AWS_ENDPOINT_URL_S3": f"http://{host}"})
        with pytest.raises(errors.Unreachable, match=f"at {host} for s3://models/m"):
            Boto(FOR_CACHE).listing(Address("models", "m"))


def test_no_credentials_and_a_wrong_profile(s3_server: s3.S3, monkeypatch: pytest.MonkeyPatch) -> None:
    without = {name: value for name, value in s3_server.environ.items() if "KEY" not in name}
    s3.point(monkeypatch, without)
    with pytest.raises(errors.S3Error, match="no AWS credentials for s3://models/m"):
        Boto(FOR_CACHE).listing(Address("models", "m"))
    s3.point(monkeypatch, {**without, "AWS_PROFILE": "nobody"})
    with pytest.raises(errors.S3Error, match="AWS_PROFILE"):
        Boto(FOR_CACHE)
