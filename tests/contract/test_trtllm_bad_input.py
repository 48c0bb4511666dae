"""What a user can get wrong: one clear error at load, every mistake in it, and nothing left behind in the cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm import service
from djl_trtllm.engines.trtllm import gpus
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.errors import LoadError
from tests.contract.tensorrt_llm_stand_in import installed, write_engine
from tests.support import family_checkpoints, loop

A10G = Gpu("NVIDIA A10G", "8.6", 24 << 30)
Model = Callable[[Path], Path]


def checkpoint(family: str, *, without: tuple[str, ...] = (), **config: Any) -> Model:
    def write(directory: Path) -> Path:
        return family_checkpoints.write(directory, family, without=without, **config)

    return write


def pickled(directory: Path) -> Path:
    model = family_checkpoints.write(directory, "llama")
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    return model


def code_of_its_own(directory: Path) -> Path:
    return family_checkpoints.write(
        directory, "baichuan", auto_map={"AutoModelForCausalLM": "modeling.Baichuan"}
    )


def engines(row: str = "0.12.0", *, world: int = 1, built_for: str = "", truncated: bool = False) -> Model:
    def write(directory: Path) -> Path:
        write_engine(directory, row, world=world, vocab_size=1000)
        for file in loop.tokenizer_files():
            (directory / file.name).write_bytes(file.read_bytes())
        if truncated:
            config = directory / "config.json"
            config.write_text(config.read_text()[:40])
        if built_for:
            (directory / "manifest.json").write_bytes(manifest_of(directory, built_for))
        return directory

    return write


def manifest_of(directory: Path, device: str) -> bytes:
    from djl_trtllm.compile import manifest

    plan = {"device": device, "inputs": {}, "options": {}, "versions": {}}
    manifest.write(directory, manifest.Manifest("0" * 32, plan, manifest.survey(directory)))
    return (directory / "manifest.json").read_bytes()


CASES: dict[str, tuple[Model, dict[str, object], tuple[str, ...]]] = {
    "more ranks asked for than started": (
        checkpoint("llama"),
        {"tensor_parallel_degree": 4},
        ("tensor_parallel_degree=4", "1 MPI rank was started"),
    ),
    "other ranks than the engine's": (
        engines(world=4),
        {},
        ("are for 4 ranks", "1 rank was started", "option.tensor_parallel_degree=4"),
    ),
    "an architecture nobody knows": (
        checkpoint("llama", architectures=["LamaForCausalLM"]),
        {},
        ("'llama' (LamaForCausalLM)", "The nearest is LlamaForCausalLM", "Compiled are: LLaMA"),
    ),
    "a ChatGLM that does not say which": (
        checkpoint("chatglm"),
        {"trust_remote_code": True},
        ("chatglm_model_version", "chatglm3_6b"),
    ),
    "scaling without its factor": (
        checkpoint("llama"),
        {"rotary_scaling_type": "linear"},
        ("rotary_scaling_type=linear", "needs rotary_scaling_factor as well"),
    ),
    "AWQ of Falcon": (checkpoint("falcon"), {"quantize": "awq"}, ("quantize=awq", "Falcon")),
    "SmoothQuant's flags alone": (
        checkpoint("llama"),
        {"smoothquant_per_token": True},
        ("smoothquant_per_token", "quantize=smoothquant"),
    ),
    "a truncated engine directory": (
        engines(truncated=True),
        {},
        ("config.json", "is not valid JSON (40 bytes)", "copy or download the model again"),
    ),
    "an engine of another version": (
        engines("0.11.0"),
        {},
        ("was built by TensorRT-LLM 0.11.0", "0.12.0 is installed here"),
    ),
    "an engine of another GPU": (
        engines(built_for="NVIDIA H100 80GB HBM3 (compute capability 9.0)"),
        {},
        ("was built on NVIDIA H100 80GB HBM3", "this machine has NVIDIA A10G"),
    ),
    "pickled weights": (pickled, {}, ("pytorch_model.bin", "option.allow_pickle_weights=true")),
    "code that is not trusted": (code_of_its_own, {}, ("baichuan", "option.trust_remote_code=true")),
}


def refusal(model: Path, cache: Path, **options: object) -> LoadError:
    values = {"model_id": model, "runtime": "trtllm", "cache_dir": cache, **options}
    with installed("0.12.0") as recorder, pytest.raises(LoadError) as caught:
        service.load({f"option.{name}": str(value) for name, value in values.items()}, {}, 1 << 20)
    assert not recorder.of("Executor"), "refused before the engine is touched"
    assert not recorder.methods("from_hugging_face"), "refused before weights are read"
    return caught.value


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "devices", lambda: (A10G,))


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize("name", list(CASES))
def test_it_is_said_in_one_error_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    write, options, words = CASES[name]
    error = refusal(write(tmp_path / "model"), tmp_path / "cache", **options)
    missing = [word for word in words if word not in str(error)]
    assert not missing, f"{missing} not in: {error}"
    assert len(error.wire_text()) <= 300
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert set(left) <= {"fingerprints.json"}


@pytest.mark.usefixtures("_gpu")
def test_every_mistake_is_in_one_error(tmp_path: Path) -> None:
    model = family_checkpoints.write(tmp_path / "model", "falcon")
    error = refusal(model, tmp_path / "cache", quantize="awq", rotary_base=5000, max_num_tokens=8)
    for word in ("quantize=awq", "rotary_base", "max_num_tokens=8"):
        assert word in str(error), error
    assert len(error.problems) >= 3


def test_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "devices", lambda: ())
    error = refusal(family_checkpoints.write(tmp_path / "model", "llama"), tmp_path / "cache")
    assert "needs an NVIDIA GPU, and none is visible" in str(error)
    assert json.dumps(error.wire_text()).isascii()
