"""What a model will take on a CPU: by the arithmetic of its shape, and as the engine itself will reckon."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.engines.estimate import HOST, Estimate
from djl_trtllm.engines.openvino import estimate as estimates
from djl_trtllm.engines.openvino import settings
from djl_trtllm.engines.openvino.model import read_facts
from djl_trtllm.engines.openvino.runtime import OpenVINO
from djl_trtllm.engines.resources import Memory
from djl_trtllm.model import checkpoint
from djl_trtllm.options import sources
from tests.support import raw_checkpoints, raw_families, sparse_checkpoints, tiny

GIB = 2**30
PARAMETERS = sparse_checkpoints.LLAMA_3_8B_PARAMETERS


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 GiB, 32 of them free, on a CPU that computes in bf16."""
    monkeypatch.setattr(estimates, "host_memory", lambda: Memory(64 * GIB, 32 * GIB))
    monkeypatch.setattr(estimates, "_computes_in_halves", lambda: True)


@pytest.fixture
def llama(tmp_path: Path) -> Checkpoint:
    return sparse_checkpoints.write(tmp_path / "llama")


def estimated(source: Checkpoint | CompiledModel, **options: object) -> Estimate:
    given = {name: str(value) for name, value in options.items()}
    return OpenVINO().estimate(source, sources.read(given, {}), 1)


def test_llama_3_8b(llama: Checkpoint) -> None:
    found = estimated(llama)
    assert (found.device, found.total_bytes, found.free_bytes) == (HOST, 64 * GIB, 32 * GIB)
    assert (found.weights, found.parameters, found.weights_bytes) == ("bf16", PARAMETERS, 2 * PARAMETERS)
    assert found.kv is not None
    assert found.kv.per_token == 2 * 32 * 8 * 128 * 2
    assert found.request_tokens == 1024 + 512
    assert (found.kv.tokens, found.concurrent) == (32 * 1536, 32)
    assert found.kv.bytes == 32 * 1536 * 131072
    assert found.missing_bytes == 0


@pytest.mark.parametrize(
    ("options", "weights", "least", "most", "per_token"),
    [
        ({"openvino_precision": "exact"}, "bf16", 4.0, 4.0, 262144),
        ({"quantize": "int8"}, "int8", 1.0, 1.0, 81920),
        ({"quantize": "int4"}, "int4", 0.55, 0.60, 81920),
        ({"quantize": "awq", "openvino_group_size": 32}, "awq", 0.60, 0.66, 81920),
        ({"dtype": "fp32"}, "fp32", 2.0, 2.0, 131072),
    ],
)
def test_types_of_weights(
    llama: Checkpoint, options: dict[str, object], weights: str, least: float, most: float, per_token: float
) -> None:
    found = estimated(llama, **options)
    assert found.weights == weights
    assert least <= found.weights_bytes / PARAMETERS <= most
    assert found.kv is not None
    assert found.kv.per_token == per_token


def test_a_cpu_without_16_bit_arithmetic_takes_twice(
    llama: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "_computes_in_halves", lambda: False)
    monkeypatch.setattr(estimates, "host_memory", lambda: Memory(64 * GIB, 31 * GIB))
    found = estimated(llama)
    assert found.weights_bytes == 4 * PARAMETERS
    assert found.missing_bytes == 0
    assert estimated(llama, max_input_len=8000).missing_bytes > 0


def test_the_kv_cache_is_what_the_option_says_or_what_memory_allows(llama: Checkpoint) -> None:
    by_size = estimated(llama, openvino_kv_cache="1GiB").kv
    assert by_size is not None
    assert (by_size.tokens, by_size.bytes) == (8192, GIB)
    assert "option openvino_kv_cache=1" in by_size.source
    by_memory = estimated(llama, max_rolling_batch_size=999).kv
    assert by_memory is not None
    assert by_memory.bytes == 8 * GIB
    assert "a quarter of the free memory" in by_memory.source


def test_no_request_is_longer_than_the_model_s_positions(llama: Checkpoint) -> None:
    assert estimated(llama, max_input_len=20000, max_output_len=20000).request_tokens == 8192
    stretched = {"rotary_scaling_type": "linear", "rotary_scaling_factor": 2}
    longest = estimated(llama, max_input_len=20000, max_output_len=20000, **stretched).request_tokens
    assert longest == 16384


def test_compiling_takes_more_where_more_is_done(llama: Checkpoint) -> None:
    plain = estimated(llama).compiling
    assert plain is not None
    assert plain.host_bytes > 2 * 2 * PARAMETERS
    assert plain.disk_bytes >= 2 * PARAMETERS
    for harder in ("int8", "int4", "awq", "smoothquant"):
        found = estimated(llama, quantize=harder).compiling
        assert found is not None
        assert plain.seconds.low < found.seconds.low < found.seconds.high
        assert found.host_bytes > plain.host_bytes
    assert "rough" in plain.seconds.why


@pytest.mark.parametrize(("dtype", "measured"), [("fp32", 1.737e9), ("bf16", 1.661e9)])
def test_what_was_measured_is_within_the_span(dtype: str, measured: float, tmp_path: Path) -> None:
    """SmolLM2-135M, stored in fp32, on two cores: 11 s and the imports idle, 108 s with other work beside it."""
    config = {**sparse_checkpoints.SMOLLM2_135M, "torch_dtype": "float32"}
    found = estimated(sparse_checkpoints.write(tmp_path, config), dtype=dtype)
    assert found.parameters == 134_515_008
    assert found.compiling is not None
    assert found.compiling.seconds.low <= 16
    assert found.compiling.seconds.high >= 108
    assert 0.95 * measured < found.compiling.host_bytes < 1.2 * measured


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_the_engine_reckons_the_same_with_the_compiled_model(quantize: str | None) -> None:
    path = tiny.compiled("llama")
    source = checkpoint.read(tiny.checkpoint("llama"), "tiny")
    options = {} if quantize is None else {"quantize": quantize}
    foreseen = estimated(source, **options)
    found = estimated(CompiledModel(path, "tiny"))
    assert foreseen.kv is not None
    assert found.kv is not None
    facts = read_facts(path)
    if quantize is None:
        assert foreseen.kv == found.kv
    else:
        per_token = facts.state_per_token * settings._QUANTISED_CELL_BYTES
        assert foreseen.kv.per_token == per_token
    assert foreseen.request_tokens == found.request_tokens
    assert found.weights_bytes == (path / "openvino_model.bin").stat().st_size
    assert (found.compiling, found.parameters) == (None, None)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_keeps_what_its_compiled_model_will(family: str) -> None:
    """What transformers keeps of a token; Falcon's new architecture repeats its two KV heads for every head."""
    source = checkpoint.read(tiny.checkpoint(family), family)
    heads = {"gpt_bigcode": 1, "falcon": 4, **dict.fromkeys(("gpt2", "gptj", "opt", "gpt_neox"), 4)}.get(
        family, 2
    )
    kv = estimated(source).kv
    assert kv is not None
    assert kv.per_token == 2 * 2 * heads * 32 * 2


def test_a_config_that_does_not_say_enough_leaves_the_kv_cache_out(tmp_path: Path) -> None:
    raw_checkpoints.write(tmp_path, {"model_type": "llama"}, {"x": (4, 4)})
    found = estimated(checkpoint.read(tmp_path, "m"))
    assert (found.kv, found.concurrent, found.request_tokens) == (None, None, 1536)


def test_pickled_weights_are_guessed_by_their_size(tmp_path: Path) -> None:
    source = raw_families.write(tmp_path, "llama")
    stored = (tmp_path / "model.safetensors").stat().st_size
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    assert estimated(source).parameters == stored // 2


def test_flags_of_the_cpu_decide_its_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for flags, halves in (("avx2 avx512f", False), ("avx512f avx512_bf16", True), ("amx_bf16", True)):
        (tmp_path / "cpuinfo").write_text(f"flags : fpu {flags}\n")
        assert estimates._computes_in_halves(tmp_path / "cpuinfo") is halves
    assert estimates._computes_in_halves(tmp_path / "none") is False
