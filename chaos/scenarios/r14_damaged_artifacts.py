"""R14: bits flip and ends are lost in every file of compiled models and in weights; a start notices in time.

Artifacts of both compiling runtimes, TensorRT-LLM's from the stand-in's builder, manifests included. Of a checkpoint,
whose files carry no digest, it is asked that a damaged one is refused or is told apart from the whole one: nothing that
was compiled from the one is taken for the other.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from chaos.figure import Figure, at_least
from chaos.scale import Scale
from djl_trtllm.compile.fingerprint import Memory, digests
from djl_trtllm.errors import LoadError
from djl_trtllm.model import checkpoint
from tests.support import tiny
from tests.support.damage import files
from tests.support.damaged_artifacts import artifacts, damages, undetected

FULL, QUICK = 400, 5
"""Bits flipped in each file; up to three ends are cut off each beside."""


def run(scale: Scale) -> list[Figure]:
    """Damage each file in so many places; return the share that is noticed."""
    count = scale.of(FULL, QUICK)
    figures = []
    with tempfile.TemporaryDirectory(prefix="chaos-r14-") as root:
        for runtime, artifact in artifacts(Path(root)).items():
            missed = undetected(artifact, count)
            tried = sum(len(damages(file, count)) for file in files(artifact))
            figures.append(_figure(f"{runtime}_detected", tried, missed))
        weights = Path(root, "checkpoint")
        shutil.copytree(tiny.checkpoint("llama"), weights)
        tried = sum(len(damages(file, count)) for file in weights.glob("*.safetensors"))
        figures.append(_figure("safetensors_detected", tried, _unnoticed(weights, count)))
    return figures


def _figure(name: str, tried: int, missed: list[str]) -> Figure:
    percent = 100 * (1 - len(missed) / tried)
    detail = "; ".join(missed[:5]) or f"{tried} bits and ends"
    return at_least(f"R14.{name}", "bits flipped and ends lost in every file", percent, 100, "%", detail)


def _unnoticed(weights: Path, count: int) -> list[str]:
    whole = _told(weights)
    missed = []
    for file in weights.glob("*.safetensors"):
        for what, damage in damages(file, count):
            with damage:
                try:
                    noticed = _told(weights) != whole
                except LoadError:
                    noticed = True
            if not noticed:
                missed.append(f"{file.name}: {what}")
    return missed


def _told(weights: Path) -> object:
    """What a start knows of a checkpoint before it uses it; raises LoadError where it refuses it."""
    found = checkpoint.read(weights, "my model")
    named = [(file.name, file) for file in sorted(weights.glob("*.safetensors"))]
    return found.model_type, digests(named, Memory(None))
