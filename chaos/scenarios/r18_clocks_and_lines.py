"""R18: the wall clock jumps while requests are served, models are built, locks are waited for and room is made; the
disk is slow; connections and names are lost in the middle of a download. Work goes on, or the cause is named.

The clock is Python's, which is asked for times of day only: it jumps by up to ten years at every look.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chaos.figure import Figure, at_least, exactly
from chaos.scale import Scale
from djl_trtllm.compile import eviction, in_use, manifest
from djl_trtllm.compile.store import Store
from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.s3.address import parse
from djl_trtllm.s3.boto import Boto
from djl_trtllm.s3.client import FOR_MODELS
from djl_trtllm.s3.errors import S3Error
from tests.support import hub, plans, s3
from tests.support.checkpoints import safetensors
from tests.support.cutting_proxy import proxy
from tests.support.jumping_clock import jumping
from tests.support.loop import rig

REQUESTS, BUILDS = (300, 60), (20, 5)
SLOW = 0.02
"""Seconds that each call to a slow disk takes."""
HOLD = 1.0
"""Seconds for which another process builds what is waited for."""
CUTS = 3
NOWHERE = "nowhere.invalid"
"""RFC 2606: no name server knows it."""


def run(scale: Scale) -> list[Figure]:
    """Go through all of it; count what went wrong."""
    jumps, lines = "the wall clock jumps", "connections and names are lost in a download"
    with tempfile.TemporaryDirectory(prefix="chaos-r18-") as name:
        root = Path(name)
        changed = _serving(scale.of(*REQUESTS))
        built = _problems(lambda: _building(root / "jumps", scale.of(*BUILDS)))
        slow = _problems(lambda: _slow_disk(root / "slow"))
        resumed = [_hub_resumes(root / "hub"), _s3_resumes(root / "s3")]
        named = [_hub_is_named(root / "nowhere"), _s3_is_named()]
    return [
        exactly("R18.answers_changed", jumps, changed, 0, "", f"{scale.of(*REQUESTS)} requests"),
        exactly("R18.wrong_builds", jumps, len(built), 0, "", "; ".join(built) or "built, waited, made room"),
        exactly(
            "R18.slow_disk", f"each call to the disk takes {SLOW:g} s", len(slow), 0, "", "; ".join(slow)
        ),
        at_least(
            "R18.resumed", lines, 100 * sum(resumed) / len(resumed), 100, "%", "from the hub and from S3"
        ),
        at_least("R18.cause_named", lines, 100 * sum(named) / len(named), 100, "%", "of the hub and of S3"),
    ]


def _problems(what: Callable[[], None]) -> list[str]:
    try:
        what()
    except (AssertionError, DjlTrtllmError, OSError, subprocess.TimeoutExpired) as problem:
        return [f"{type(problem).__name__} {problem}"]
    return []


def _serving(requests: int) -> int:
    """How many answers are others than with a clock that goes on."""

    def answers() -> list[str]:
        with rig() as made:
            sent = [
                made.java.send({"inputs": f"fox {i}", "parameters": {"max_new_tokens": 20, "details": True}})
                for i in range(requests)
            ]
            made.java.run(sent)
            return [client.text for client in sent]

    expected = answers()
    with jumping(18):
        found = answers()
    return sum(one != other for one, other in zip(expected, found, strict=True))


def _building(root: Path, builds: int) -> None:
    """Build, hit, wait for another process, and make room, while the clock jumps."""
    with jumping(18):
        _waits(root)
        made = [plans.compiled(root, number=number) for number in range(builds)]
        again = [plans.compiled(root, number=number) for number in range(builds)]
        assert all(model.hit for model in again), "what was built was not found again"
        store = Store(root)
        eviction.collect(store, 0)
        assert all(model.path.exists() for model in made), "what is in use was removed"
        for use in list(in_use.held.values()):
            use.release()
        in_use.held.clear()
        eviction.collect(store, 0)
        assert not store.entries(), "what nobody uses was left"
        assert not list((root / "building").iterdir()), "a build left something behind"


def _waits(root: Path) -> None:
    """Wait for what another process builds, and find it."""
    with plans.start(root, "slow") as builder:
        assert builder.stdin is not None
        assert builder.stdout is not None
        builder.stdout.readline()
        threading.Timer(HOLD, builder.communicate, ["go\n"]).start()
        began = time.monotonic()
        model = plans.compiled(root)
        waited = time.monotonic() - began
        assert model.hit, "it was built twice"
        assert HOLD / 2 < waited < 30, f"it was waited for {waited:.1f} s"
        builder.wait(30)
    manifest.verify(model.path)


def _slowed(real: Callable[..., Any], root: str) -> Callable[..., Any]:
    def call(*arguments: Any, **more: Any) -> Any:
        place = arguments[0]
        if isinstance(place, int):
            place = Path(f"/proc/self/fd/{place}").readlink()
        if os.fspath(place).startswith(root):
            time.sleep(SLOW)
        return real(*arguments, **more)

    return call


@contextmanager
def _slow(root: Path) -> Iterator[None]:
    """Let each call that changes something below `root` take its time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("mkdir", "write", "fsync", "rename", "replace"):
            patch.setattr(os, name, _slowed(getattr(os, name), str(root)))
        yield


def _slow_disk(root: Path) -> None:
    """Build and hit on a slow disk, while another process waits for it."""
    with _slow(root):
        first = plans.compiled(root)
        assert not first.hit
        manifest.verify(first.path)
        assert plans.compiled(root).hit, "what was built was not found again"
        _waits(root / "waits")


def _hub_resumes(home: Path) -> bool:
    """A connection to the hub breaks in the middle of the weights: what has arrived is not fetched again."""
    weights = safetensors(width=3 << 20)  # huggingface_hub writes 10 MiB at a time
    with hub.server() as server:
        server.add("o/breaks", {"config.json": b'{"model_type": "llama"}', "model.safetensors": weights})
        server.cuts["model.safetensors"] = 11 << 20
        client = hub.Client(server.url, home)
        try:
            found = None
            for _ in range(2):  # huggingface_hub before 1.0 gives up, and goes on at the next start
                found, said = client.locate(model_id="o/breaks")
                if found is not None:
                    break
                if "the hub cannot be reached from here" not in said:
                    return False
        finally:
            client.close()
        spans = [span for name, span in server.fetched("o/breaks") if name == "model.safetensors"]
        whole = found is not None and (found / "model.safetensors").read_bytes() == weights
        return whole and spans == ["", f"bytes={10 << 20}-"]


def _s3_resumes(out: Path) -> bool:
    """Connections to S3 break in the middle of an object: the rest of it is asked for."""
    out.mkdir()
    content = os.urandom(4 << 20)
    with s3.server() as server, proxy(server.url, 1 << 20, CUTS) as cutting:
        place = parse(server.bucket("breaks", {"m/weights": content})) / "m"
        with pytest.MonkeyPatch.context() as patch:
            s3.point(patch, {**server.environ, "AWS_ENDPOINT_URL_S3": cutting.url})
            client = Boto(FOR_MODELS, piece=2 << 20)
            client.fetch(place, {out / item.name: item for item in client.listing(place)}, _nothing)
        return (out / "weights").read_bytes() == content and cutting.done == CUTS


def _nothing(count: int) -> None:
    """Take note of bytes that have come."""


def _hub_is_named(home: Path) -> bool:
    """The hub's name is not known any more."""
    client = hub.Client(f"http://{NOWHERE}", home)
    try:
        found, said = client.locate(model_id="o/breaks")
    finally:
        client.close()
    return found is None and "the hub cannot be reached" in said


def _s3_is_named() -> bool:
    """The name of S3's server is not known any more."""
    with pytest.MonkeyPatch.context() as patch:
        s3.point(patch, {**s3.ENVIRONMENT, "AWS_ENDPOINT_URL_S3": f"http://{NOWHERE}"})
        try:
            Boto(FOR_MODELS).listing(parse("s3://models/m"))
        except S3Error as error:
            return NOWHERE in str(error)
    return False
