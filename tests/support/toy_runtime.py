"""A runtime that builds in a moment and runs the toy engine, and a checkpoint for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from djl_trtllm.core import Plan
from djl_trtllm.engines import registry
from djl_trtllm.engines.estimate import Estimate
from djl_trtllm.errors import LoadError
from tests.support import estimates, loop
from tests.support.toy_engine import ToyEngine, toy_limits

WEIGHTS = 3 << 20


class ToyRuntime:
    """A `Runtime`: its builds are a tokenizer and some weights, its engine is the toy."""

    name = "openvino"

    def __init__(self) -> None:
        self.builds = 0
        self.engines: list[ToyEngine] = []
        self.fail_open: LoadError | None = None

    def plan(self, checkpoint, options, world) -> Plan:
        return Plan(self.name, checkpoint.model_type, {"config.json": "1"}, {}, {"toy": "1"}, "cpu")

    def build(self, checkpoint, options, team, out: Path, progress) -> None:
        self.builds += 1
        save_tokenizer(out)
        (out / "weights.bin").write_bytes(bytes(WEIGHTS))

    def assess(self, checkpoint, options, team, out: Path, progress) -> None:
        return None

    def estimate(self, source, options, world) -> Estimate:
        return estimates.ESTIMATE

    def check(self, model, options, world) -> None:
        pass

    def engine(self, model, options, team) -> ToyEngine:
        vocabulary = loop.tokenizer().vocab_size
        self.engines.append(ToyEngine(limits=toy_limits(vocab_size=vocabulary), fail_open=self.fail_open))
        return self.engines[-1]


def chosen(monkeypatch: pytest.MonkeyPatch) -> ToyRuntime:
    """Have every load take the toy."""
    made = ToyRuntime()
    monkeypatch.setattr(registry, "choose", lambda options, size: made)
    return made


def load_options(directory: Path, name: str = "checkpoint", **more: str) -> dict[str, str]:
    """What loads a checkpoint called `name`, made in `directory` beside its cache."""
    checkpoint = write_checkpoint(directory / name)
    return {
        "model_id": str(checkpoint),
        "rolling_batch": "disable",
        "cache_dir": str(directory / "cache"),
        **more,
    }


def save_tokenizer(directory: Path) -> None:
    for file in loop.tokenizer_files():
        shutil.copy(file, directory)


def write_checkpoint(directory: Path) -> Path:
    directory.mkdir()
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (directory / "config.json").write_text(json.dumps(config))
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (directory / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    return directory
