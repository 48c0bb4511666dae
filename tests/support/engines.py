"""Engines over tiny compiled models, for tests."""

from __future__ import annotations

import json
import os
from pathlib import Path

from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.openvino.run import OpenVINOEngine
from tests.support.compiled import compiled, tiny_engine_options

KV_TOKENS = 1024


def openvino_engine(scratch: Path, eos: int | None = None, **options: object) -> OpenVINOEngine:
    """An exact engine over the tiny llama; `scratch` is where a copy with another end token goes."""
    model = compiled("llama")
    if eos is not None:
        model = with_text_facts(model, scratch / f"eos-{eos}", eos_token_ids=[eos])
    return OpenVINOEngine(model, tiny_engine_options(**{"openvino_kv_cache": KV_TOKENS, **options}))


def with_text_facts(model: CompiledModel, copy: Path, **facts: object) -> CompiledModel:
    """A copy of a compiled model, its files linked, with other facts in its text.json."""
    if not copy.exists():
        copy.mkdir(parents=True)
        for file in model.path.iterdir():
            if file.name != "text.json":
                os.link(file, copy / file.name) if same_device(file, copy) else copy_file(file, copy)
        text = json.loads((model.path / "text.json").read_text())
        (copy / "text.json").write_text(json.dumps({**text, **facts}))
    return CompiledModel(copy, f"{model.origin}, changed")


def same_device(file: Path, directory: Path) -> bool:
    return file.stat().st_dev == directory.stat().st_dev


def copy_file(file: Path, directory: Path) -> None:
    (directory / file.name).write_bytes(file.read_bytes())
