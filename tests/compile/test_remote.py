"""A second tier in S3: a hit on a machine that compiled nothing, and whatever is wrong there costs a warning."""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.compile import manifest, remote
from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.recipe import Build, Recipe
from djl_trtllm.compile.remote import Remote
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import CompiledModel, Progress
from djl_trtllm.errors import ArtifactError
from djl_trtllm.ranks import Solo
from djl_trtllm.s3.address import Address, parse
from djl_trtllm.s3.boto import Boto
from djl_trtllm.s3.client import FOR_CACHE, Patience
from tests.support import plans, s3
from tests.support.plans import Stages, build, plan

KEY = key(plan())


@pytest.fixture(scope="module")
def client(s3_server: s3.S3) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        s3.point(patch, s3_server.environ)
        return Boto(Patience(connect=20, read=60, attempts=2))


def start(root: Path, tier: Remote, build: Build = build) -> CompiledModel:
    made = ensure(Recipe(plan(), build), Solo(), CacheSettings(root), Stages(), tier)
    for thread in threading.enumerate():
        if thread.name == "cache-push":
            thread.join()
    return made


def nothing_to_build(out: Path, progress: Progress) -> None:
    raise AssertionError("it was compiled again")


@pytest.fixture
def place(s3_server: s3.S3, request: pytest.FixtureRequest) -> Address:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:30]
    return parse(s3_server.bucket(name)) / "cache/v1"


@pytest.fixture
def tier(client: Boto, place: Address) -> Remote:
    return Remote(place, lambda: client)


def test_pushed_by_one_is_a_hit_for_another(
    s3_server: s3.S3, client: Boto, place: Address, tier: Remote, tmp_path: Path
) -> None:
    first = start(tmp_path / "one", tier)
    assert not first.hit
    files = ["config.json", "manifest.json", "model.bin"]
    assert s3_server.keys(place.bucket) == [f"cache/v1/{KEY}/{name}" for name in files]
    second = start(tmp_path / "two", Remote(place, lambda: client), nothing_to_build)
    assert second.hit
    assert second.why.endswith(f"from {place}")
    manifest.verify(second.path)
    assert (second.path / "model.bin").read_bytes() == plans.WEIGHTS


def test_the_manifest_goes_last_and_what_is_there_stays(
    client: Boto, place: Address, tier: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    real = client.store

    def store(where: Address, files: Mapping[str, Path], done: Any) -> None:
        calls.append(sorted(files))
        real(where, files, done)

    monkeypatch.setattr(client, "store", store)
    start(tmp_path / "one", tier)
    assert calls == [["config.json", "model.bin"], ["manifest.json"]]
    built = manifest.read(tmp_path / "one" / "artifacts" / KEY)
    assert built.key == KEY
    Remote(place, lambda: client).store(KEY, tmp_path / "one" / "artifacts" / KEY, Stages())
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("model.bin", b"damaged" + plans.WEIGHTS[7:], "model.bin"),
        ("model.bin", plans.WEIGHTS[:-1], "model.bin has 2097151 bytes and should have 2097152"),
        ("config.json", None, "config.json is missing"),
        ("manifest.json", b"{", "damaged"),
    ],
    ids=["flipped", "short", "gone", "manifest"],
)
def test_a_damaged_object_costs_a_compilation_and_is_repaired(
    s3_server: s3.S3,
    client: Boto,
    place: Address,
    tier: Remote,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    file: str,
    content: bytes | None,
    words: str,
) -> None:
    start(tmp_path / "one", tier)
    where = {"Bucket": place.bucket, "Key": place.key(f"{KEY}/{file}")}
    if content is None:
        s3_server.client.delete_object(**where)
    else:
        s3_server.client.put_object(**where, Body=content)
    with caplog.at_level(logging.WARNING):
        made = start(tmp_path / "two", Remote(place, lambda: client))
    assert not made.hit
    assert words in caplog.text
    assert start(tmp_path / "three", Remote(place, lambda: client), nothing_to_build).hit


def test_a_push_that_was_broken_off_is_not_there(
    s3_server: s3.S3,
    client: Boto,
    place: Address,
    tier: Remote,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start(tmp_path / "one", tier)
    s3_server.client.delete_object(Bucket=place.bucket, Key=place.key(f"{KEY}/manifest.json"))
    (tmp_path / "into").mkdir()
    other = Remote(place, lambda: client)
    assert not other.fetch(KEY, tmp_path / "into", Stages())
    other.store(KEY, tmp_path / "one" / "artifacts" / KEY, Stages())
    assert other.fetch(KEY, tmp_path / "into", Stages())


def test_several_push_one_key_at_once(client: Boto, place: Address, tmp_path: Path) -> None:
    def work(name: str) -> None:
        Remote(place, lambda: client).store(KEY, tmp_path / name / "artifacts" / KEY, Stages())

    for name in "abc":
        plans.compiled(tmp_path / name)
    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert start(tmp_path / "d", Remote(place, lambda: client), nothing_to_build).hit


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "manifest.json"])
def test_a_manifest_that_names_files_elsewhere(
    s3_server: s3.S3, place: Address, tier: Remote, tmp_path: Path, name: str
) -> None:
    plans.compiled(tmp_path / "one")
    built = manifest.read(tmp_path / "one" / "artifacts" / KEY)
    (tmp_path / "evil").mkdir()
    manifest.write(tmp_path / "evil", replace(built, files={name: manifest.File(1, "0")}))
    text = (tmp_path / "evil" / "manifest.json").read_bytes()
    s3_server.client.put_object(Bucket=place.bucket, Key=place.key(f"{KEY}/manifest.json"), Body=text)
    (tmp_path / "into").mkdir()
    with pytest.raises(ArtifactError, match="leads elsewhere"):
        tier.fetch(KEY, tmp_path / "into", Stages())


def test_no_bucket_and_no_access(
    client: Boto, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from djl_trtllm.s3 import errors

    nowhere = Address("remote-nowhere", "cache")
    with caplog.at_level(logging.WARNING):
        assert not start(tmp_path / "one", Remote(nowhere, lambda: client)).hit
    assert "is not kept in s3://remote-nowhere/cache: There is no bucket remote-nowhere" in caplog.text

    def refuse(*words: object) -> Any:
        raise errors.of("AccessDenied", nowhere)

    caplog.clear()
    monkeypatch.setattr(client, "read", refuse)
    with caplog.at_level(logging.WARNING):
        assert not start(tmp_path / "two", Remote(nowhere, lambda: client)).hit
    assert caplog.text.count("do not allow access to s3://remote-nowhere") == 2


def test_an_endpoint_that_does_not_answer_costs_seconds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)  # connects, and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        s3.point(monkeypatch, {**s3.ENVIRONMENT, "AWS_ENDPOINT_URL_S3": url})
        monkeypatch.setattr(remote, "FOR_CACHE", Patience(FOR_CACHE.connect, 0.3, FOR_CACHE.attempts))
        tier = remote.tier("s3://models/cache", {})
        assert tier is not None
        began = time.monotonic()
        with caplog.at_level(logging.WARNING):
            assert not start(tmp_path, tier).hit
    assert time.monotonic() - began < 60
    assert caplog.text.count("S3 cannot be reached at 127.0.0.1:") == 2
    assert FOR_CACHE.attempts * (FOR_CACHE.connect + FOR_CACHE.read) < 60


def test_no_option_no_tier() -> None:
    assert remote.tier(None, {}) is None
    tier = remote.tier("s3://models/cache/", {"PATH": ""})
    assert tier is not None
    assert tier.name == "s3://models/cache"
