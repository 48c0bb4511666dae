"""Loading: found, compiled once, opened, checked; with a runtime that builds in a moment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from djl_trtllm import service
from djl_trtllm.core import CompiledModel, Limit, Plan
from djl_trtllm.engines import registry
from djl_trtllm.errors import ArtifactError, CompileError, LoadError, ModelNotFound, OptionsError
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.service import artifact
from tests.support import loop
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

    def check(self, model, options, world) -> None:
        pass

    def engine(self, model, options, team) -> ToyEngine:
        vocabulary = loop.tokenizer().vocab_size
        self.engines.append(ToyEngine(limits=toy_limits(vocab_size=vocabulary), fail_open=self.fail_open))
        return self.engines[-1]


def save_tokenizer(directory: Path) -> None:
    for file in loop.tokenizer_files():
        shutil.copy(file, directory)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> ToyRuntime:
    made = ToyRuntime()
    monkeypatch.setattr(registry, "choose", lambda options, size: made)
    return made


@pytest.fixture
def options(tmp_path: Path) -> dict[str, str]:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text(
        json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]})
    )
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    data = len(header).to_bytes(8, "little") + header + bytes(4)
    (checkpoint / "model.safetensors").write_bytes(data)
    return {"model_id": str(checkpoint), "rolling_batch": "disable", "cache_dir": str(tmp_path / "cache")}


def text_of(served: service.Service) -> str:
    body = b'{"inputs": "the fox", "parameters": {"max_new_tokens": 5}}'
    (answer,) = served.answer([Arrival(body, {"Content-Type": "application/json"})])
    return answer.text


def load(options: dict[str, str]) -> service.Service:
    return service.load(options, {}, 1 << 20)


def test_compiled_once_then_found(runtime, options):
    first = load(options)
    text = text_of(first)
    first.close()
    second = load(options)
    assert text_of(second) == text
    assert "generated_text" in text
    second.close()
    assert runtime.builds == 1


def test_a_damaged_weight_is_found_while_the_engine_loads_and_compiled_again(runtime, options, tmp_path):
    load(options).close()
    (weights,) = (tmp_path / "cache").rglob("weights.bin")
    data = bytearray(weights.read_bytes())
    data[WEIGHTS // 2] ^= 1
    weights.write_bytes(data)
    served = load(options)
    assert "generated_text" in text_of(served)
    served.close()
    assert runtime.builds == 2
    assert all(engine.steps == 0 for engine in runtime.engines[1:2]), "nothing ran on the damaged one"


def test_an_engine_that_does_not_open_is_a_load_error(runtime, options):
    runtime.fail_open = CompileError("The engine does not start.")
    with pytest.raises(LoadError, match="does not start"):
        load(options)


def test_a_users_own_compiled_directory_is_not_rebuilt(runtime, options, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    save_tokenizer(own)
    monkeypatch.setattr(artifact, "locate", lambda *_: CompiledModel(own, "a directory of the user"))
    served = load(options)
    assert "generated_text" in text_of(served)
    assert served.active == 0
    served.close()
    (own / "manifest.json").write_text("{}")
    with pytest.raises(ArtifactError):
        load(options)
    assert runtime.builds == 0


def test_what_is_wrong_is_said_before_anything_is_built(runtime, options):
    with pytest.raises(OptionsError, match=r"max_input_len.*quantize"):
        load({**options, "max_input_len": "many", "quantize": "int3"})
    with pytest.raises(ModelNotFound):
        load({**options, "model_id": options["model_id"] + "-not"})
    assert runtime.builds == 0


def test_the_limits_line_names_what_set_each(runtime, options):
    served = load(options)
    line = served.limits_line()
    served.close()
    assert "input 1024 tokens (max_input_len)" in line
    assert Limit(32, "max_rolling_batch_size").source in line
