"""A process that looks for one compiled model, and the cache directories in which it looks."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench import calibration
from bench.process import serve
from djl_trtllm.compile import cache, manifest
from djl_trtllm.compile import plan as plans
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.core import Plan, Progress
from djl_trtllm.ranks import Solo

FILES = {
    "openvino_model.xml": 40_000,
    "openvino_model.bin": 1_000,
    "tokenizer.json": 60_000,
    "tokenizer_config.json": 4_000,
    "config.json": 1_000,
    "generation_config.json": 200,
}
"""Bytes of a compiled model's files, but for the weights and the tokenizer, of which a look-up reads the size only
where they are large."""


def plan(number: int) -> Plan:
    """Return one of many plans, which differ in one option."""
    return Plan(
        runtime="openvino",
        model_type="llama",
        inputs={f"model-{part:05}-of-00010.safetensors": f"{part:064x}" for part in range(1, 11)},
        options={"dtype": "fp32", "max_input_len": number + 1},
        versions={"openvino": "2026.4.1"},
        device="cpu",
    )


def fill(root: Path, entries: int) -> None:
    """Publish so many compiled models in a cache directory."""
    store = Store(root)
    store.prepare()
    for number in range(entries):
        one = plan(number)
        name = plans.key(one)
        private = store.private(name)
        for file, size in FILES.items():
            (private / file).write_bytes(bytes([number % 256]) * size)
        store.publish(private, Manifest(name, plans.content(one), manifest.survey(private)))


def _build(_out: Path, _progress: Progress) -> None:
    raise RuntimeError("this was to be a hit")


class LookupSide:
    """Looks in one cache directory."""

    def __init__(self, root: str) -> None:
        self._settings = CacheSettings(Path(root))

    def look(self, number: int) -> tuple[float, float, float]:
        """Return how long the look-up of one plan takes, the CPU time of that and the calibration loop's, in ms."""
        recipe, team = Recipe(plan(number), _build), Solo()
        begun, begun_cpu = time.perf_counter(), time.process_time()
        found = cache.ensure(recipe, team, self._settings, Silence())
        taken, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
        if not found.hit:
            raise AssertionError("this was to be a hit")
        return taken * 1_000, cpu * 1_000, calibration.milliseconds()


class Silence:
    """A `Progress` that says nothing."""

    def stage(self, name: str, percent: float | None = None) -> None:
        """Do nothing."""


if __name__ == "__main__":
    serve(LookupSide, *sys.argv[1:])
