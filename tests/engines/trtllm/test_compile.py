"""What a build depends on: nothing that means nothing, everything that changes an engine."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.compile.plan import key
from djl_trtllm.core import Checkpoint, Plan
from djl_trtllm.engines.building import inputs
from djl_trtllm.engines.trtllm import compile as trtllm_compile
from djl_trtllm.engines.trtllm import gpus, versions
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.runtime import TensorRTLLM
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import CompileError, LoadError, OptionsError, UnsupportedModel
from djl_trtllm.model import checkpoint
from djl_trtllm.options import sources
from djl_trtllm.options.table import SPECS
from tests.support import raw_checkpoints
from tests.support.raw_checkpoints import LLAMA, llama_shapes

A10G, L4 = Gpu("NVIDIA A10G", "8.6", 24 << 30), Gpu("NVIDIA L4", "8.9", 24 << 30)


class Machine:
    """What is installed, and which GPUs there are."""

    release: Release | None = Release.of("0.14.0")
    gpus = (L4, L4)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    here = Machine()
    monkeypatch.setattr(versions, "installed", lambda: here.release)
    monkeypatch.setattr(gpus, "devices", lambda: here.gpus)
    return here


@pytest.fixture
def model(tmp_path: Path) -> Checkpoint:
    config = {**LLAMA, "num_hidden_layers": 2}
    return checkpoint.read(raw_checkpoints.write(tmp_path / "m", config, llama_shapes(2)), "my model")


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def planned(model: Checkpoint, cache: str, world: int = 1, **options: object) -> Plan:
    said = {name: str(value) for name, value in options.items()}
    return TensorRTLLM().plan(model, sources.read({**said, "cache_dir": cache}, {}), world)


OTHER_VALUES: dict[str, object] = {
    "dtype": "bf16",
    "max_rolling_batch_size": 7,
    "max_input_len": 99,
    "max_output_len": 99,
    "max_num_tokens": 4096,
    "tokens_per_block": 64,
    "enable_kv_cache_reuse": True,
    "enable_chunked_context": True,
    "use_fused_mlp": True,
    "rotary_base": 7.0,
    "rotary_scaling_factor": 3.0,
    "rotary_scaling_type": "dynamic",
    "quantize": "int8",
    "smoothquant_alpha": 0.3,
    "smoothquant_per_token": True,
    "smoothquant_per_channel": True,
    "calib_size": 700,
    "calib_batch_size": 2,
    "awq_block_size": 64,
    "logits_dtype": "fp16",
    "use_fp8_context_fmha": True,
    "max_beam_width": 2,
}
NEEDS: dict[str, dict[str, object]] = {
    "rotary_scaling_type": {"rotary_scaling_type": "linear", "rotary_scaling_factor": 2.0},
    "rotary_scaling_factor": {"rotary_scaling_type": "linear", "rotary_scaling_factor": 2.0},
    "smoothquant_alpha": {"quantize": "smoothquant"},
    "smoothquant_per_token": {"quantize": "smoothquant"},
    "smoothquant_per_channel": {"quantize": "smoothquant"},
    "calib_size": {"quantize": "smoothquant"},
    "calib_batch_size": {"quantize": "awq"},
    "awq_block_size": {"quantize": "awq"},
    "use_fp8_context_fmha": {"quantize": "fp8"},
}


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_a_build_option_changes_the_key(model: Checkpoint, cache: str, machine: Machine, name: str) -> None:
    need = NEEDS.get(name, {})
    base = planned(model, cache, **need)
    assert key(planned(model, cache, **{**need, name: OTHER_VALUES[name]})) != key(base)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kv_cache_free_gpu_mem_fraction", 0.5),
        ("batch_scheduler_policy", "guaranteed_no_evict"),
        ("max_num_sequences", 8),
        ("enable_trt_overlap", True),
        ("kv_cache_host_memory_bytes", 4096),
        ("multi_block_mode", True),
        ("use_custom_all_reduce", True),
        ("multi_query_mode", True),
        ("default_max_new_tokens", 5),
        ("calib_size", 64),
        ("awq_block_size", 64),
        ("openvino_group_size", 64),
        ("num_engine_workers", 3),
        ("rank_timeout", 17),
        ("load_by_shard", True),
        ("trust_remote_code", True),
    ],
)
def test_an_option_without_effect_on_engines_does_not_change_the_key(
    model: Checkpoint, cache: str, machine: Machine, name: str, value: object
) -> None:
    assert name in SPECS
    assert planned(model, cache, **{name: value}) == planned(model, cache)


def test_the_key_follows_content_version_gpu_and_ranks(
    model: Checkpoint, cache: str, machine: Machine, tmp_path: Path
) -> None:
    base = planned(model, cache)
    assert base.device == "NVIDIA L4 (compute capability 8.9)"
    assert base.versions["tensorrt_llm"] == "0.14.0"
    assert (base.world_size, base.extra) == (1, {"tp": 1, "pp": 1})
    shutil.copytree(model.path, tmp_path / "copy")
    (tmp_path / "copy" / "README.md").touch()
    copy = checkpoint.read(tmp_path / "copy", "another name")
    assert planned(copy, cache) == base
    (tmp_path / "copy" / "tokenizer.json").touch()
    assert planned(copy, cache) != base
    two = planned(model, cache, 2, tensor_parallel_degree=2)
    staged = planned(model, cache, 2, tensor_parallel_degree=1, pipeline_parallel_degree=2)
    assert (two.extra, staged.extra) == ({"tp": 2, "pp": 1}, {"tp": 1, "pp": 2})
    machine.gpus = (A10G, L4)
    assert (
        planned(model, cache).device
        == "NVIDIA A10G (compute capability 8.6), NVIDIA L4 (compute capability 8.9)"
    )
    machine.gpus, machine.release = (L4,), Release.of("0.16.0")
    assert planned(model, cache).versions["tensorrt_llm"] == "0.16.0"


def test_calibration_text_and_tokenizer_enter_by_content(
    model: Checkpoint, cache: str, machine: Machine, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text("{}")
        (tmp_path / name / "text.txt").write_text("hello")

    def with_files(name: str) -> Plan:
        files = {"tokenizer": tmp_path / name, "calib_dataset": tmp_path / name / "text.txt"}
        return planned(model, cache, quantize="awq", **files)

    assert with_files("a") == with_files("b")
    assert {"tokenizer/tokenizer.json", "option.calib_dataset"} <= set(with_files("a").inputs)
    (tmp_path / "b" / "text.txt").write_text("hallo")
    assert with_files("a") != with_files("b")


def test_quantising_depends_on_what_quantises(model: Checkpoint, cache: str, machine: Machine) -> None:
    assert "nvidia-modelopt" in planned(model, cache, quantize="awq").versions
    assert "nvidia-modelopt" not in planned(model, cache, quantize="int8").versions


def test_our_own_code_is_part_of_the_key(
    model: Checkpoint, cache: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = planned(model, cache)
    trtllm_compile._recipe.cache_clear()
    monkeypatch.setattr(inputs, "recipe", lambda files: str(len(list(files))))
    try:
        assert planned(model, cache).versions["recipe"] != base.versions["recipe"]
    finally:
        trtllm_compile._recipe.cache_clear()


def test_notes_are_said_once(
    model: Checkpoint, cache: str, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    planned(model, cache, use_custom_all_reduce=True)
    assert [record.message for record in caplog.records if "use_custom_all_reduce" in record.message]


@pytest.mark.parametrize(
    ("release", "devices", "options", "kind", "words"),
    [
        (None, (L4,), {}, UnsupportedModel, "TensorRT-LLM is not installed"),
        ("0.14.0", (), {}, UnsupportedModel, "no GPU .* nvidia-smi"),
        ("1.3.0rc3", (L4,), {}, OptionsError, r"runtime=trtllm-pytorch"),
        ("0.14.0", (L4,), {"tensor_parallel_degree": 2}, OptionsError, "tensor_parallel_degree=2"),
        (
            "0.14.0",
            (L4,),
            {"rotary_dim": 4, "gpt_model_version": "gpt2"},
            OptionsError,
            "rotary_dim.*|gpt_model_version",
        ),
        (
            "0.14.0",
            (L4,),
            {"quantize": "awq", "calib_dataset": "/nowhere"},
            CompileError,
            "there is no such file",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_starts(
    model: Checkpoint,
    cache: str,
    machine: Machine,
    release: str | None,
    devices: tuple[Gpu, ...],
    options: dict[str, Any],
    kind: type[LoadError],
    words: str,
) -> None:
    machine.release = Release.of(release) if release else None
    machine.gpus = devices
    with pytest.raises(kind, match=words):
        planned(model, cache, **options)


def test_all_mistakes_are_told_at_once(model: Checkpoint, cache: str, machine: Machine) -> None:
    with pytest.raises(OptionsError) as caught:
        planned(model, cache, rotary_dim=4, gpt_model_version="gpt2", tensor_parallel_degree=2)
    text = str(caught.value)
    assert all(name in text for name in ("rotary_dim", "gpt_model_version", "tensor_parallel_degree"))
