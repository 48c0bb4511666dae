"""What a model will take of each GPU: weights and KV cache over the ranks, with memory as NVML would tell it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.engines.estimate import GPU, Estimate
from djl_trtllm.engines.resources import Memory
from djl_trtllm.engines.trtllm import estimate as estimates
from djl_trtllm.engines.trtllm import gpus
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.llm_runtime import TensorRTLLMPyTorch
from djl_trtllm.engines.trtllm.runtime import TensorRTLLM
from djl_trtllm.errors import ArtifactError
from djl_trtllm.model import checkpoint
from djl_trtllm.options import sources
from djl_trtllm.options.table import Options
from tests.support import engine_directories, raw_families, sparse_checkpoints

GIB = 2**30
PARAMETERS = sparse_checkpoints.LLAMA_3_8B_PARAMETERS
TABLE = 128256 * 4096
LAYERS = PARAMETERS - 2 * TABLE
A100 = Gpu("NVIDIA A100-SXM4-40GB", "8.0", 40 * GIB)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs of 40 GiB, of which the second has 30 free."""
    monkeypatch.setattr(
        estimates, "gpu_memory", lambda: (Memory(40 * GIB, 39 * GIB), Memory(40 * GIB, 30 * GIB))
    )
    monkeypatch.setattr(gpus, "devices", lambda: (A100, A100))


@pytest.fixture
def llama(tmp_path: Path) -> Checkpoint:
    return sparse_checkpoints.write(tmp_path / "llama")


def options(**values: object) -> Options:
    return sources.read({name: str(value) for name, value in values.items()}, {})


def estimated(source: Checkpoint | CompiledModel, world: int = 1, **values: object) -> Estimate:
    return TensorRTLLM().estimate(source, options(**values), world)


def test_llama_3_8b_on_one_gpu(llama: Checkpoint) -> None:
    found = estimated(llama)
    assert (found.device, found.devices, found.weights) == (GPU, 1, "bf16")
    assert (found.parameters, found.weights_bytes) == (PARAMETERS, 2 * PARAMETERS)
    assert (found.total_bytes, found.free_bytes) == (40 * GIB, 39 * GIB)
    assert found.kv is not None
    assert found.kv.per_token == 131072
    left = 39 * GIB - 2 * PARAMETERS - found.working_bytes
    assert found.kv.tokens == int(0.95 * left / 131072)
    assert found.concurrent == found.kv.tokens // 1536
    assert found.kv.source.startswith("option kv_cache_free_gpu_mem_fraction=0.95")
    assert found.missing_bytes == 0


def test_two_ranks_share_the_layers_and_the_kv_heads(llama: Checkpoint) -> None:
    tensor = estimated(llama, 2, tensor_parallel_degree=2)
    assert tensor.devices == 2
    assert (
        tensor.weights_bytes == LAYERS + 2 * TABLE + TABLE
    )  # the embedding is whole, the output layer is halved
    assert tensor.kv is not None
    assert tensor.kv.per_token == 65536
    assert tensor.free_bytes == 30 * GIB, "the GPU with the least decides"
    pipeline = estimated(llama, 2, pipeline_parallel_degree=2)
    assert pipeline.weights_bytes == LAYERS + 2 * TABLE
    assert pipeline.kv is not None
    assert pipeline.kv.per_token == 65536


def test_heads_that_do_not_divide_are_repeated(tmp_path: Path) -> None:
    source = sparse_checkpoints.write(tmp_path, num_key_value_heads=1)
    alone, both = estimated(source), estimated(source, 2, tensor_parallel_degree=2)
    assert alone.kv is not None
    assert both.kv is not None
    assert alone.kv.per_token == both.kv.per_token


@pytest.mark.parametrize(
    ("values", "weights", "layer_width", "kv_width"),
    [
        ({"quantize": "int8"}, "int8", 1, 2),
        ({"quantize": "int4"}, "int4", 0.5, 2),
        ({"quantize": "awq"}, "awq", 0.5 + 2 / 128, 2),
        ({"quantize": "awq", "awq_block_size": 64}, "awq", 0.5 + 2 / 64, 2),
        ({"quantize": "smoothquant"}, "smoothquant", 1, 2),
        ({"quantize": "fp8"}, "fp8", 1, 1),
        ({"dtype": "fp32"}, "fp32", 4, 4),
    ],
)
def test_types(
    llama: Checkpoint, values: dict[str, object], weights: str, layer_width: float, kv_width: int
) -> None:
    found = estimated(llama, **values)
    table_width = 4 if weights == "fp32" else 2
    assert found.weights == weights
    assert found.weights_bytes == int(LAYERS * layer_width + 2 * TABLE * table_width)
    assert found.kv is not None
    assert found.kv.per_token == 65536 * kv_width


def test_a_tied_output_layer_is_written_out(tmp_path: Path) -> None:
    found = estimated(sparse_checkpoints.write(tmp_path, tie_word_embeddings=True))
    assert found.parameters == PARAMETERS - TABLE
    assert found.weights_bytes == 2 * PARAMETERS


def test_a_float32_checkpoint_is_built_in_float16(tmp_path: Path) -> None:
    assert estimated(raw_families.write(tmp_path, "llama", torch_dtype="float32")).weights == "fp16"


def test_a_size_of_the_kv_cache_is_taken_as_it_is(llama: Checkpoint) -> None:
    kv = estimated(llama, kv_cache_free_gpu_mem_fraction="8GiB").kv
    assert kv is not None
    assert (kv.tokens, kv.bytes) == (65536, 8 * GIB)


def test_a_model_that_does_not_fit_has_no_kv_cache(tmp_path: Path) -> None:
    found = estimated(sparse_checkpoints.write(tmp_path, num_hidden_layers=128))
    assert found.kv is not None
    assert (found.kv.tokens, found.concurrent) == (0, 0)
    assert found.missing_bytes > 10 * GIB


def test_without_nvml_all_of_a_gpu_counts_and_without_a_gpu_nothing_is_known(
    llama: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "gpu_memory", lambda: ())
    found = estimated(llama)
    assert (found.total_bytes, found.free_bytes) == (40 * GIB, None)
    assert found.concurrent
    monkeypatch.setattr(gpus, "devices", lambda: ())
    found = estimated(llama)
    assert (found.total_bytes, found.free_bytes, found.concurrent, found.missing_bytes) == (
        None,
        None,
        None,
        0,
    )
    assert found.weights_bytes == 2 * PARAMETERS


def test_published_build_times_are_within_the_span(llama: Checkpoint) -> None:
    """113 s for a model of this size on an H100 (issue 2702 of TensorRT-LLM)."""
    compiling = estimated(llama).compiling
    assert compiling is not None
    assert compiling.seconds.low < 113 < compiling.seconds.high
    assert "rough" in compiling.seconds.why
    assert compiling.disk_bytes >= 2 * PARAMETERS
    assert compiling.host_bytes > 4 * PARAMETERS
    calibrated = estimated(llama, quantize="awq").compiling
    assert calibrated is not None
    assert calibrated.seconds.low > compiling.seconds.low
    assert calibrated.disk_bytes > compiling.disk_bytes


@pytest.mark.parametrize("family", sorted(raw_families.CONFIGS))
def test_every_family_has_an_estimate(family: str, tmp_path: Path) -> None:
    found = estimated(raw_families.write(tmp_path, family))
    assert found.kv is not None
    assert found.concurrent
    assert found.compiling is not None
    assert found.weights_bytes > 0


def test_a_type_that_is_not_compiled_still_has_sizes(llama: Checkpoint) -> None:
    other = replace(llama, model_type="unheard", config={**llama.config, "architectures": ["Unheard"]})
    assert estimated(other).weights_bytes == 2 * PARAMETERS


def test_engines_that_are_there(tmp_path: Path) -> None:
    content = engine_directories.config(tp=2)
    content["pretrained_config"] |= {
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_size": 4096,
    }
    path = engine_directories.write(tmp_path / "engines", content, ranks=2)
    (path / "rank1.engine").write_bytes(bytes(1000))
    found = estimated(CompiledModel(path, "engines", runtime="trtllm"), 2)
    assert (found.devices, found.weights, found.weights_bytes) == (2, "float16", 1000)
    assert (found.compiling, found.parameters, found.request_tokens) == (None, None, 1536)
    assert found.kv is not None
    assert found.kv.per_token == 65536
    asked = estimated(CompiledModel(path, "engines"), 2, max_input_len=100, max_output_len=100)
    assert asked.request_tokens == 200
    (path / "config.json").write_text("{")
    with pytest.raises(ArtifactError):
        estimated(CompiledModel(path, "engines"), 2)


def test_the_llm_api_takes_a_checkpoint_as_it_is(llama: Checkpoint, tmp_path: Path) -> None:
    runtime = TensorRTLLMPyTorch()
    found = runtime.estimate(llama, options(tensor_parallel_degree="max"), 1)
    assert (found.devices, found.compiling, found.weights) == (2, None, "bf16")
    assert found.weights_bytes == LAYERS + 3 * TABLE
    model = CompiledModel(llama.path, "my model")
    assert runtime.estimate(model, options(), 1).weights_bytes == 2 * PARAMETERS
    method = {"quant_method": "modelopt", "quant_algo": "FP8"}
    quantised = checkpoint.read(
        sparse_checkpoints.write(tmp_path / "q", quantization_config=method).path, "q"
    )
    found = runtime.estimate(quantised, options(), 1)
    assert found.weights == "modelopt"
    assert found.weights_bytes == (tmp_path / "q" / "model.safetensors").stat().st_size
