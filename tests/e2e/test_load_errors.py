"""A model that cannot be served: one clear sentence, no server, nothing half-written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support import tiny
from tests.support.model_dirs import tiny_model
from tests.support.server import ServerFailed, serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]


def refusal(model: Path) -> str:
    with pytest.raises(ServerFailed) as failure, serve(model):
        pass
    return str(failure.value)


def test_every_wrong_option_is_named_at_once(tmp_path: Path) -> None:
    log = refusal(
        tiny_model(tmp_path, "llama", max_input_len="many", quantize="int3", openvino_precision="exakt")
    )
    for word in ("max_input_len", "many", "quantize", "int3", "openvino_precision", "exakt"):
        assert word in log


@pytest.mark.long
def test_a_missing_model(tmp_path: Path) -> None:
    missing = tmp_path / "nothing-here"
    assert "nothing-here" in refusal(tiny_model(tmp_path, "llama", model_id=missing))


@pytest.mark.long
def test_an_unsupported_architecture(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(tiny.checkpoint("llama"), checkpoint)
    config = json.loads((checkpoint / "config.json").read_text())
    config |= {"model_type": "llamma", "architectures": ["LlammaForCausalLM"]}
    (checkpoint / "config.json").write_text(json.dumps(config))
    log = refusal(tiny_model(tmp_path, "llama", model_id=checkpoint))
    assert "llamma" in log
    assert "mistral" in log, "the supported families are listed"


def test_pickled_weights_only(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(tiny.checkpoint("llama"), checkpoint, ignore=shutil.ignore_patterns("*.safetensors"))
    (checkpoint / "pytorch_model.bin").write_bytes(b"not weights")
    log = refusal(tiny_model(tmp_path, "llama", model_id=checkpoint))
    assert "allow_pickle_weights" in log


def test_an_engine_directory_cut_short_is_not_loaded(tmp_path: Path) -> None:
    compiled = tmp_path / "compiled"
    shutil.copytree(tiny.compiled("llama"), compiled)
    weights = compiled / "openvino_model.bin"
    weights.write_bytes(weights.read_bytes()[:-1000])
    log = refusal(tiny_model(tmp_path, "llama", model_id=compiled))
    assert "openvino_model.bin" in log
