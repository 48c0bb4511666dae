"""Looking up one artifact takes as long as its own files, however many others there are."""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from pathlib import Path

import pytest

from djl_trtllm.compile import manifest, reasons
from djl_trtllm.compile.manifest import File, Manifest
from djl_trtllm.compile.plan import content, key
from djl_trtllm.compile.store import Store
from djl_trtllm.core import Plan
from tests.support.plans import compiled, plan

ENTRIES = 1000
SECONDS = 0.005


def of(number: int) -> Plan:
    """A plan of one of many models, of which some share files."""
    weights = {f"model-{shard}.safetensors": f"{number}.{shard}" for shard in range(8)}
    shared = {"config.json": f"{number % 50}", "tokenizer.json": f"{number % 7}"}
    return dataclasses.replace(plan(), inputs={**weights, **shared}, options={f"o{n}": n for n in range(30)})


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crowded")
    store = Store(root)
    store.prepare()
    files = {f"file{n}": File(10, "b" * 64) for n in range(12)}
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda descriptor: None)
    for number in range(ENTRIES):
        name = key(of(number))
        (root / "artifacts" / name).mkdir()
        options = {"model_id": (f"org/model{number}", "serving.properties")}
        made = Manifest(name, content(of(number)), files, {"seconds": 1.0}, options)
        manifest.write(root / "artifacts" / name, made)
    compiled(root)
    patch.undo()
    return root


def test_among_a_thousand_one_is_found_at_once(crowded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, name = Store(crowded), key(plan())
    for listing in ("scandir", "listdir"):
        monkeypatch.setattr(os, listing, lambda *arguments: pytest.fail("no other entry is looked at"))
    taken = []
    for _ in range(30):
        started = time.perf_counter()
        assert store.find(name) is not None
        taken.append(time.perf_counter() - started)
    assert statistics.median(taken) < SECONDS


def test_the_nearest_of_a_thousand_is_the_same_model_with_another_option(crowded: Path) -> None:
    wanted = dataclasses.replace(of(123), options={**of(123).options, "o3": "changed"})
    started = time.process_time()
    nearest = reasons.nearest(content(wanted), "", Store(crowded).manifests())
    assert time.process_time() - started < 2.0
    assert nearest is not None
    assert (nearest.key, nearest.origin, nearest.same_model) == (key(of(123)), "org/model123", True)
    assert nearest.changes == ["option o3 is changed and was 3"]
