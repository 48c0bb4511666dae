"""Model directories as a user writes them: a serving.properties that names a tiny checkpoint."""

from __future__ import annotations

from pathlib import Path

from tests.support import tiny

CACHE = tiny.ROOT / "build" / "test-cache"
"""Compiled tiny models, shared by every test of a run and kept for the next one."""

EVERY_RUN = ("llama", "mistral", "mixtral", "qwen2", "gpt2", "gptj", "falcon", "phi3")
"""The families that `make test` covers; `make check-long` covers all of them."""


def properties(**options: object) -> str:
    """serving.properties text: each option as `option.<name>`."""
    return "".join(f"option.{name}={value}\n" for name, value in options.items())


def tiny_options(family: str, **more: object) -> dict[str, object]:
    """Options that serve a tiny checkpoint exactly: same bytes alone and in a batch."""
    return {
        "model_id": tiny.checkpoint(family),
        "entryPoint": "djl_trtllm.handler",
        "rolling_batch": "auto",
        "dtype": "fp32",
        "openvino_precision": "exact",
        "openvino_kv_cache": "64MiB",
        "max_rolling_batch_size": 32,
        "cache_dir": CACHE,
        **more,
    }


def tiny_model(directory: Path, family: str, **more: object) -> Path:
    """Write a model directory that serves `family`; `more` overrides options. Returns it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "serving.properties").write_text(properties(**tiny_options(family, **more)))
    return directory
