"""Engines over tiny compiled models, for tests."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.openvino.run import OpenVINOEngine
from djl_trtllm.options import sources
from djl_trtllm.options.table import Options
from tests.support import tiny
from tests.support.model_dirs import tiny_options

KV_TOKENS = 1024


@functools.cache
def compiled(family: str) -> CompiledModel:
    """The compiled tiny model of a family."""
    return CompiledModel(tiny.compiled(family), f"tiny {family}")


def tiny_engine_options(family: str = "llama", **more: object) -> Options:
    """Options for an engine over a tiny model: exact, 64 MiB of KV cache."""
    return sources.read({name: str(value) for name, value in tiny_options(family, **more).items()}, {})


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
        for file in model.path.rglob("*"):
            if file.is_dir():
                (copy / file.relative_to(model.path)).mkdir()
            elif file.name != "text.json":
                place = copy / file.relative_to(model.path).parent
                os.link(file, place / file.name) if same_device(file, copy) else copy_file(file, place)
        text = json.loads((model.path / "text.json").read_text())
        (copy / "text.json").write_text(json.dumps({**text, **facts}))
    return CompiledModel(copy, f"{model.origin}, changed")


def same_device(file: Path, directory: Path) -> bool:
    return file.stat().st_dev == directory.stat().st_dev


def copy_file(file: Path, directory: Path) -> None:
    (directory / file.name).write_bytes(file.read_bytes())
