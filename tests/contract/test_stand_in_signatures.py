"""Every row of the contract installs, has its symbols and nothing else, and refuses what it does not take."""

from __future__ import annotations

import datetime
import importlib
import sys
from enum import Enum
from typing import Any

import pytest

from tests.contract.tensorrt_llm_stand_in import ROWS, installed, rows, version
from tests.contract.tensorrt_llm_stand_in.generate import ONE_OF
from tests.contract.tensorrt_llm_stand_in.shell import Shell
from tests.contract.tensorrt_llm_stand_in.spec import parse

MODULES = (
    "tensorrt_llm",
    "tensorrt_llm.bindings",
    "tensorrt_llm.bindings.executor",
    "tensorrt_llm.builder",
    "tensorrt_llm.models",
    "tensorrt_llm.models.modeling_utils",
    "tensorrt_llm.mapping",
    "tensorrt_llm.quantization",
    "tensorrt_llm.plugin",
)


def found(symbol: str) -> Any:
    """Return a symbol as users reach it: an attribute of the longest module path."""
    parts = symbol.split(".")
    for split in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:split])
        if name in sys.modules:
            value: Any = importlib.import_module(name)
            for part in parts[split:]:
                value = getattr(value, part)
            return value
    raise ImportError(symbol)


def described(row: str) -> dict[str, Any]:
    return {
        s: e for s, e in rows.row(row).items() if not s.endswith((".__init__", ".functions", ".MODEL_MAP"))
    }


@pytest.mark.parametrize("row", ROWS)
def test_every_symbol_of_a_row_is_there(row: str) -> None:
    with installed(row):
        assert importlib.import_module("tensorrt_llm").__version__ == version(row)
        entries = described(row)
        for symbol, entry in entries.items():
            value = found(symbol)
            if "enum" in entry:
                assert [member.name for member in value] == entry["enum"]
            one = entry.get("alias_of") or ONE_OF.get(symbol)
            if one in entries:
                assert value is found(one)
                continue
            for text in entry.get("attributes", ()):
                assert hasattr(value, text.split(" ")[0]), f"{symbol}.{text}"
            for method in entry.get("methods", ()):
                assert callable(getattr(value, method)), f"{symbol}.{method}"


@pytest.mark.parametrize("row", ROWS)
def test_unknown_arguments_are_refused_everywhere(row: str) -> None:
    with installed(row):
        for symbol, entry in described(row).items():
            value = found(symbol)
            if isinstance(value, type) and issubclass(value, Shell):
                if "tensorrt_llm.bindings" in symbol and value._spec.constructors:
                    with pytest.raises(TypeError):
                        value(no_such_argument=1)
                for name, overloads in value._spec.methods.items():
                    if name in value._spec.class_methods and not any(o.any_keyword for o in overloads):
                        with pytest.raises(TypeError):
                            getattr(value, name)(no_such_argument=1)
            elif "function" in entry and not any(o.any_keyword for o in parse(entry["function"])):
                with pytest.raises(TypeError):
                    value(no_such_argument=1)


def test_the_engine_path_is_gone_from_1_3() -> None:
    with installed("1.3-main-after-2026-07"):
        import tensorrt_llm

        assert not hasattr(tensorrt_llm, "BuildConfig")
        with pytest.raises(ImportError):
            importlib.import_module("tensorrt_llm.builder")
        with pytest.raises(ImportError):
            importlib.import_module("tensorrt_llm._tensorrt_engine")


def test_names_a_version_does_not_have_cannot_be_imported() -> None:
    absent = [
        ("0.8.0", "tensorrt_llm.bindings.executor", "Executor"),
        ("0.9.0", "tensorrt_llm.bindings.executor", "CapacitySchedulerPolicy"),
        ("0.12.0", "tensorrt_llm.bindings.executor", "FinishReason"),
        ("0.12.0", "tensorrt_llm.bindings.executor", "LogitsPostProcessorConfig"),
        ("0.15.0", "tensorrt_llm.bindings", "GptManager"),
        ("0.8.0", "tensorrt_llm.builder", "build"),
        ("0.14.0", "tensorrt_llm.llmapi", "LLM"),
        ("0.16.0", "tensorrt_llm.hlapi", "LLM"),
        ("0.16.0", "tensorrt_llm._tensorrt_engine", "LLM"),
    ]
    for row, module, name in absent:
        with installed(row), pytest.raises((ImportError, AttributeError)):
            getattr(importlib.import_module(module), name)


def test_a_row_of_which_little_was_read_has_what_its_neighbours_share() -> None:
    def arguments(row: str, symbol: str) -> set[str]:
        return {
            argument[0] for overload in rows.overloads(rows.row(row)[symbol]["init"]) for argument in overload
        }

    older, middle, newer = (rows.row(row) for row in ("0.17~", "0.21~", "1.0~"))
    own = set(rows.contract()["0.21~"])
    assert set(middle) - own == (set(older) & set(newer)) - own
    for name in ("ExecutorConfig", "KvCacheConfig", "Request", "SamplingConfig", "OutputConfig"):
        symbol = f"tensorrt_llm.bindings.executor.{name}"
        shared = arguments("0.17~", symbol) & arguments("1.0~", symbol)
        assert arguments("0.21~", symbol) - {"*"} == shared - {"*"}
        assert shared


def test_the_modules_are_those_of_the_library() -> None:
    for row in ROWS[ROWS.index("0.9.0") : ROWS.index("1.2~")]:
        with installed(row):
            for name in MODULES:
                importlib.import_module(name)
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module("tensorrt_llm.no_such_module")
    assert not [name for name in sys.modules if name.startswith("tensorrt_llm")]


WRONG: list[tuple[str, str, type[Exception]]] = [
    ("0.12.0", "trt.KvCacheConfig(max_tokens=1.5)", TypeError),
    ("0.12.0", "trt.KvCacheConfig(enable_block_reuse=1)", TypeError),
    ("0.12.0", "trt.KvCacheConfig(True)", TypeError),
    ("0.12.0", "trt.KvCacheConfig(free_gpu_mem_fraction=0.9)", TypeError),
    ("0.12.0", "trt.KvCacheConfig(max_attention_window=[4096])", TypeError),
    ("0.14.0", "trt.KvCacheConfig(max_attention_window=4096)", TypeError),
    ("0.12.0", "trt.ExecutorConfig(max_beam_width='1')", TypeError),
    ("0.12.0", "trt.ExecutorConfig(kv_cache_config={})", TypeError),
    ("0.12.0", "trt.ExecutorConfig(debug_config=None)", TypeError),
    ("0.10.0", "trt.ExecutorConfig(max_batch_size=4)", TypeError),
    ("0.11.0", "trt.ExecutorConfig(max_queue_size=4)", TypeError),
    ("0.9.0", "trt.SchedulerConfig(capacity_scheduler_policy=None)", TypeError),
    ("0.10.0", "trt.SchedulerConfig(policy=trt.CapacitySchedulerPolicy.MAX_UTILIZATION)", TypeError),
    ("0.12.0", "trt.SchedulerConfig(capacity_scheduler_policy='MAX_UTILIZATION')", TypeError),
    ("0.12.0", "trt.Request([1], max_tokens=1)", TypeError),
    ("0.12.0", "trt.Request(max_new_tokens=1)", TypeError),
    ("0.12.0", "trt.Request([1], 5)", TypeError),
    ("0.12.0", "trt.Request([1.0], max_new_tokens=1)", TypeError),
    ("0.12.0", "trt.Request('1 2', max_new_tokens=1)", TypeError),
    ("0.12.0", "trt.Request([1], max_new_tokens=1, stop_words=[2])", TypeError),
    ("0.12.0", "trt.Request([1], max_new_tokens=1, streaming=None)", TypeError),
    ("0.13.0", "trt.Request([1], max_tokens=1, contextPhaseParams=None)", TypeError),
    ("1.2~", "trt.Request([1], max_new_tokens=1)", TypeError),
    ("1.2~", "trt.Request([1], max_tokens=1, end_id='2')", TypeError),
    ("1.2~", "trt.Request([1], max_tokens=1, allotted_time_ms=5)", TypeError),
    ("0.12.0", "trt.SamplingConfig(seed=1)", TypeError),
    ("0.12.0", "trt.SamplingConfig(temperature='hot')", TypeError),
    ("1.2~", "trt.SamplingConfig(random_seed=1)", TypeError),
    ("0.12.0", "trt.OutputConfig(return_perf_metrics=True)", TypeError),
    ("0.12.0", "trt.OutputConfig(return_log_probs='yes')", TypeError),
    ("0.12.0", "trt.Response()", TypeError),
    ("0.12.0", "trt.LoraConfig()", TypeError),
    ("0.12.0", "trt.ModelType('DECODER_ONLY')", ValueError),
    ("0.12.0", "trt.ModelType.DECODER", AttributeError),
    ("0.12.0", "setattr(trt.KvCacheConfig(), 'max_tokens', '9')", TypeError),
    ("0.12.0", "setattr(trt.KvCacheConfig(), 'no_such', 9)", AttributeError),
    ("0.12.0", "setattr(trt.Request([1], max_new_tokens=1), 'input_token_ids', [2])", AttributeError),
    ("0.12.0", "BuildConfig(256)", TypeError),
    ("0.12.0", "BuildConfig(max_output_len=2)", TypeError),
    ("0.12.0", "BuildConfig(tokens_per_block=64)", TypeError),
    ("0.12.0", "BuildConfig(multi_block_mode=True)", TypeError),
    ("0.12.0", "BuildConfig(gather_all_token_logits=True)", TypeError),
    ("0.10.0", "BuildConfig(max_seq_len=512)", TypeError),
    ("0.12.0", "BuildConfig(max_batch_size='8')", TypeError),
    ("1.2~", "BuildConfig(max_batch_size='8')", ValueError),
    ("1.2~", "BuildConfig(auto_parallel_config=None)", ValueError),
    ("0.12.0", "PluginConfig(gemm_plugin='auto')", TypeError),
    ("0.12.0", "setattr(PluginConfig(), 'use_paged_context_fmha', 1)", AssertionError),
    ("0.12.0", "setattr(PluginConfig(), 'gemm_plugin', 'half')", AssertionError),
    ("0.12.0", "setattr(PluginConfig(), 'multi_block_mode', True)", AttributeError),
    ("0.12.0", "setattr(PluginConfig(), 'use_custom_all_reduce', True)", AttributeError),
    ("0.12.0", "setattr(PluginConfig(), 'use_fused_mlp', True)", AttributeError),
    ("1.2~", "setattr(PluginConfig(), 'use_paged_context_fmha', 'maybe')", ValueError),
    ("0.12.0", "Mapping(world_size=2, tp_size=1)", ValueError),
    ("0.12.0", "Mapping(world_size=2, rank=2, tp_size=2)", ValueError),
    ("0.12.0", "Mapping(2, 0, 8, 2)", TypeError),
    ("0.10.0", "Mapping(world_size=2, cp_size=2)", TypeError),
    ("0.12.0", "QuantConfig(quant_algo='W4A16_AWQ')", TypeError),
    ("0.12.0", "QuantConfig(smoothquant_alpha=0.8)", TypeError),
    ("0.12.0", "QuantConfig(group_size=64.0)", TypeError),
    ("0.12.0", "setattr(QuantConfig(), 'requires_calibration', True)", AttributeError),
    ("0.12.0", "QuantAlgo.NVFP4", AttributeError),
]


@pytest.mark.parametrize(("row", "call", "error"), WRONG)
def test_wrong_calls_are_refused(row: str, call: str, error: type[Exception]) -> None:
    with installed(row), pytest.raises(error):
        eval(call, names())


def names() -> dict[str, Any]:
    """What the wrong calls use, of the row that is installed."""
    places = {
        "BuildConfig": "builder",
        "PluginConfig": "plugin",
        "Mapping": "mapping",
        "QuantConfig": "models.modeling_utils",
        "QuantAlgo": "quantization",
    }
    known = {
        name: getattr(importlib.import_module(f"tensorrt_llm.{place}"), name)
        for name, place in places.items()
    }
    return {**known, "trt": importlib.import_module("tensorrt_llm.bindings.executor")}


def test_the_wrong_calls_are_many() -> None:
    assert len(set(WRONG)) >= 40


RIGHT = [
    ("0.12.0", "trt.Request([1], max_new_tokens=1, end_id=2, stop_words=[[3]])"),
    ("0.13.0", "trt.Request([1], max_tokens=1)"),
    ("0.9.0", "trt.SchedulerConfig(policy=trt.SchedulerPolicy.MAX_UTILIZATION)"),
    ("0.12.0", "trt.KvCacheConfig(free_gpu_memory_fraction=1)"),
    ("0.12.0", "QuantConfig(quant_algo=QuantAlgo['W4A16_AWQ'], group_size=64)"),
    ("0.10.0", "PluginConfig(gemm_plugin='float16')"),
    ("1.2~", "PluginConfig(gemm_plugin='float16', no_such_plugin=True)"),
    ("1.2~", "BuildConfig(max_batch_size=8, plugin_config=PluginConfig())"),
]


@pytest.mark.parametrize(("row", "call"), RIGHT)
def test_right_calls_are_taken(row: str, call: str) -> None:
    with installed(row):
        assert eval(call, names()) is not None


def test_values_given_can_be_read_and_set() -> None:
    with installed("0.14.0"):
        trt = names()["trt"]
        request = trt.Request([1, 2], max_tokens=3, sampling_config=trt.SamplingConfig(top_k=4))
        assert (request.input_token_ids, request.max_tokens, request.sampling_config.top_k) == ([1, 2], 3, 4)
        config = trt.KvCacheConfig()
        config.free_gpu_memory_fraction = 0.5
        assert config.free_gpu_memory_fraction == 0.5
        assert trt.KvCacheConfig().enable_block_reuse is False
        assert trt.ExecutorConfig().scheduler_config.capacity_scheduler_policy.name == "GUARANTEED_NO_EVICT"
        with pytest.raises(AttributeError):
            _ = config.no_such_attribute


def test_enums_are_those_of_the_bindings() -> None:
    with installed("0.14.0"):
        known = names()
        assert isinstance(known["trt"].FinishReason.END_ID, Enum)
        assert int(known["trt"].FinishReason.END_ID) == 1
        assert known["trt"].FinishReason(2).name == "STOP_WORDS"
        assert known["QuantAlgo"].W4A16_AWQ == "W4A16_AWQ"
        assert known["QuantAlgo"]("FP8").name == "FP8"


def test_a_timeout_is_a_timedelta() -> None:
    with installed("1.2~"):
        trt = names()["trt"]
        limit = datetime.timedelta(milliseconds=5)
        assert trt.Request([1], max_tokens=1, allotted_time_ms=limit).allotted_time_ms == limit


def test_calls_are_recorded_as_they_were_given() -> None:
    with installed("0.14.0") as recorder:
        known = names()
        known["trt"].ExecutorConfig(
            max_beam_width=2, kv_cache_config=known["trt"].KvCacheConfig(max_tokens=9)
        )
        (call,) = recorder.of("ExecutorConfig", "__init__")
        assert call.arguments["max_beam_width"] == 2
        assert set(call.arguments) == {"max_beam_width", "kv_cache_config"}
        assert call.arguments["kv_cache_config"]["max_tokens"] == 9
        assert len(recorder.of("tensorrt_llm.bindings.executor.KvCacheConfig")) == 1
