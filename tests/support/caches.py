"""A cache directory with two compiled models, made without an engine."""

from __future__ import annotations

from pathlib import Path

from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import Plan
from djl_trtllm.ranks import Solo

QUALITY: dict[str, object] = {
    "agreement": 0.9375,
    "tokens": 64,
    "perplexity": 8.25,
    "reference_perplexity": 8.0,
}


class Silent:
    def stage(self, name: str, percent: float | None = None) -> None:
        pass


def plan(**options: object) -> Plan:
    return Plan(
        runtime="openvino",
        model_type="llama",
        inputs={"config.json": "a" * 64, "model.safetensors": "b" * 64},
        options={"dtype": "fp32", **options},
        versions={"openvino": "2026.4.1", "recipe": "01234567"},
        device="cpu",
    )


def build(out: Path, progress: object) -> None:
    (out / "openvino_model.xml").write_text("<model/>")
    (out / "openvino_model.bin").write_bytes(b"w" * 2048)
    (out / "guide").mkdir()
    (out / "guide" / "config.json").write_text("{}")


def quality(out: Path, progress: object) -> dict[str, object]:
    return QUALITY


def made(root: Path, model_id: str = "org/name", **options: object) -> Path:
    """Compile into a cache, and return where; this process uses it until it ends."""
    described = {"model_id": (model_id, "serving.properties"), "dtype": ("fp32", "default")}
    quantised = "quantize" in options
    recipe = Recipe(plan(**options), build, quality if quantised else None, described)
    return ensure(recipe, Solo(), CacheSettings(root), Silent()).path
