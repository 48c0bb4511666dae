"""Plans, builds and progress for tests of the cache, none of which compiles anything."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import CompiledModel, Plan, Progress
from djl_trtllm.ranks import Solo

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = bytes(range(256)) * 8192


class Stages:
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def stage(self, name: str, percent: float | None = None) -> None:
        self.names.append(name)


def plan(model: str = "digest", **options: object) -> Plan:
    return Plan(
        runtime="openvino",
        model_type="llama",
        inputs={"config.json": "same", "model.safetensors": model},
        options={"dtype": "fp32", **options},
        versions={"openvino": "1"},
        device="cpu",
    )


def build(out: Path, progress: Progress) -> None:
    (out / "model.bin").write_bytes(WEIGHTS)
    (out / "config.json").write_text("{}")


def compiled(root: Path, mode: str = "use", **options: object) -> CompiledModel:
    return ensure(Recipe(plan(**options), build), Solo(), CacheSettings(root, mode), Stages())


def start(root: Path, kind: str) -> subprocess.Popen[str]:
    """Start a process that compiles on a cache, see below."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.plans", str(root), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def _slow(out: Path, progress: Progress) -> None:
    """Write half, say so, and finish when told or killed."""
    (out / "model.bin").write_bytes(WEIGHTS[:1000])
    print("building", flush=True)
    sys.stdin.readline()
    build(out, progress)


def _counted(out: Path, progress: Progress) -> None:
    print("building", flush=True)
    time.sleep(0.5)
    build(out, progress)


if __name__ == "__main__":
    # `python -m tests.support.plans <cache> slow|counted|served`: one process of several on a cache.
    made = ensure(
        Recipe(plan(), {"slow": _slow, "counted": _counted, "served": build}[sys.argv[2]]),
        Solo(),
        CacheSettings(Path(sys.argv[1])),
        Stages(),
    )
    print("hit" if made.hit else "built", time.time(), made.path, flush=True)
    if sys.argv[2] == "served":
        sys.stdin.readline()
