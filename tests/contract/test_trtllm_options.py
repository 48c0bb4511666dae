"""Every option of the guide, on every release and architecture: what the library is given, or the one line instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from djl_trtllm.engines.trtllm import gpus, option_map
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options import sources
from djl_trtllm.options.table import SPECS
from tests.contract import option_run, pytorch_cases
from tests.contract.option_cases import (
    ALL,
    BY_FAMILY,
    COMPILED_SINCE,
    ENGINES,
    FAMILIES,
    GPTJ_SMOOTHQUANT,
    INDEPENDENT,
    MAP_CLASS,
    ORDER,
    PYTORCH,
    VARIANTS,
    Case,
    Got,
    Outcome,
    Refused,
    Said,
    span,
)
from tests.contract.option_run import Outcome as Came
from tests.contract.tensorrt_llm_stand_in import ROWS, version

CASES = (*INDEPENDENT, *BY_FAMILY)
SNAPSHOTS = frozenset(("0.12a~", "0.12b~", "0.14.0~"))
FEW = frozenset(("llama", "qwen2", "falcon", "chatglm3", "gpt2", "baichuan-7b"))
"""Development snapshots differ from the releases around them in little, and are walked with these only."""

SCALING = ("rotary_scaling_type", "rotary_scaling_factor")
BUILT_ALREADY = {
    "dtype": "fp16",
    "tokens_per_block": "64",
    "use_custom_all_reduce": "true",
    "use_fused_mlp": "true",
    "use_fp8_context_fmha": "true",
    "logits_dtype": "fp16",
    "load_by_shard": "true",
    "multi_block_mode": "true",
    "quantize": "awq",
    "rotary_base": "20000.0",
    "rotary_dim": "32",
    "rotary_scaling_type": "linear",
    "baichuan_model_version": "v1_7b",
    "chatglm_model_version": "chatglm3_6b",
    "gpt_model_version": "starcoder",
}
_COMMON = {"vocab_size": 32000, "torch_dtype": "float16", "max_position_embeddings": 8192}

GUIDE = frozenset(
    """
    max_input_len max_output_len use_custom_all_reduce tokens_per_block batch_scheduler_policy
    kv_cache_free_gpu_mem_fraction max_num_sequences enable_trt_overlap enable_kv_cache_reuse
    baichuan_model_version chatglm_model_version gpt_model_version multi_block_mode use_fused_mlp
    rotary_base rotary_dim rotary_scaling_type rotary_scaling_factor quantize smoothquant_alpha
    smoothquant_per_token smoothquant_per_channel multi_query_mode q_format calib_size
    tensor_parallel_degree max_rolling_batch_size max_num_tokens dtype pipeline_parallel_degree
    calib_batch_size awq_block_size logits_dtype load_by_shard use_fp8_context_fmha
    num_checkpoint_workers num_engine_workers trtllm_checkpoint_path enable_chunked_context
    max_beam_width kv_cache_host_memory_bytes trust_remote_code
    """.split()  # noqa: SIM905 - reads better than quotes
)
"""What the guide of LMI v9 and later ones name and a build or a batch manager could be given."""

ELSEWHERE = frozenset(
    """
    model_id revision tokenizer allow_pickle_weights rolling_batch quality_floor output_formatter
    default_max_new_tokens on_long_input unknown_parameters unknown_options error_codes tgi_compat
    guided_decoding guide_max_bytes guide_timeout queue_max_tokens runtime cache_dir cache
    cache_max_size cache_remote predict_timeout model_loading_timeout rank_timeout stall_timeout
    log_requests log_format metrics_host metrics_port tracing
    """.split()  # noqa: SIM905 - reads better than quotes
)
"""Options that are about finding the model, requests, the cache and the process, whatever the runtime."""


def config(name: str) -> dict[str, object]:
    return {**_COMMON, **FAMILIES[name]}


def compiles(row: str, family: str) -> bool:
    return ORDER.index(row) >= ORDER.index(COMPILED_SINCE.get(family, "0.12.0"))


def planned(row: str) -> Iterator[tuple[Case, str, Outcome]]:
    """Yield each case of a row with its architecture and what must come of it."""
    for case in CASES:
        for family in case.families:
            if compiles(row, family) and (row not in SNAPSHOTS or family in FEW):
                yield case, family, expected(case, row, family)


def expected(case: Case, row: str, family: str) -> Outcome:
    if case.settings.get("quantize") == "smoothquant" and family == "gptj" and row in span("0.12.0", "1.2~"):
        return Got(GPTJ_SMOOTHQUANT, ["QuantConfig.smoothquant_val"])
    for rows, families, outcome in case.rules:
        if row in rows and (families is None or family in families):
            return outcome
    raise AssertionError(f"nothing is expected of {case.settings} for {family} on {row}")


def wrong(case: Case, came: Came, outcome: Outcome) -> str | None:
    """Say what is not as it must be."""
    if isinstance(outcome, Refused):
        if len(came.problems) != 1 or outcome.text not in came.problems[0]:
            return f"refusal {outcome.text!r} missing: {came.problems}"
        return None
    if came.problems:
        return f"refused: {came.problems}"
    for name, value in outcome.values.items():
        found = came.values.get(name, "not passed")
        if found != value or type(found) is not type(value):
            return f"{name} is {found!r}, not {value!r}"
    passed = [name for name in outcome.absent if name in came.values]
    if passed:
        return f"{', '.join(passed)} must not be passed"
    lines = [line for line in came.said if line.startswith(f"{case.option}=")]
    if isinstance(outcome, Said):
        return None if len(lines) == 1 and outcome.text in lines[0] else f"one line {outcome.text!r}: {lines}"
    return f"said without need: {lines}" if lines else None


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A path without anything that the library would take for a model's name.
    return tmp_path_factory.mktemp("m")


@pytest.mark.parametrize("row", ENGINES)
def test_every_option_reaches_its_argument_or_is_told_of(row: str, scratch: Path) -> None:
    mistakes = []
    with option_run.row(row) as recorder:
        for case, family, outcome in planned(row):
            came = option_run.run(row, recorder, case.settings, config(family), case.ranks, scratch)
            mistake = wrong(case, came, outcome)
            if mistake:
                mistakes.append(f"{dict(case.settings)} for {family}: {mistake}")
    assert not mistakes, "\n".join([f"{len(mistakes)} on {row}:", *mistakes[:40]])


@pytest.mark.parametrize("row", ENGINES)
def test_every_architecture_is_converted_by_its_class(row: str, scratch: Path) -> None:
    with option_run.row(row) as recorder:
        for family in FAMILIES:
            came = option_run.run(row, recorder, {}, config(family), 1, scratch)
            if not compiles(row, family):
                (problem,) = came.problems
                assert "cannot compile by itself" in problem, family
                continue
            assert came.problems == [], family
            assert came.values["class"] == MAP_CLASS[family], family
            if family in VARIANTS:
                argument, variant = VARIANTS[family]
                assert came.values[f"from_hugging_face.{argument}"] == variant, family


@pytest.mark.parametrize("row", PYTORCH)
def test_every_option_of_the_pytorch_backend(
    row: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "devices", lambda: (gpus.Gpu("NVIDIA A10G", "8.6", 2**34),) * 4)
    mistakes = []
    with option_run.row(row) as recorder:
        for case in pytorch_cases.CASES:
            came = option_run.run_pytorch(row, recorder, case.settings, config("llama"), scratch)
            mistake = wrong(case, came, expected(case, row, "llama"))
            if mistake:
                mistakes.append(f"{dict(case.settings)}: {mistake}")
    assert not mistakes, "\n".join(mistakes)


@pytest.mark.parametrize("row", PYTORCH[2:])
def test_engines_are_refused_where_the_library_has_none(row: str, scratch: Path) -> None:
    with option_run.row(row) as recorder:
        for family in FAMILIES:
            (problem,) = option_run.run(row, recorder, {}, config(family), 1, scratch).problems
            assert "cannot build or run engines any more" in problem
            assert "tensorrt_llm<1.3" in problem
            assert "option.runtime=trtllm-pytorch" in problem


@pytest.mark.parametrize("row", ENGINES)
@pytest.mark.parametrize(("name", "value"), BUILT_ALREADY.items())
def test_an_engine_that_is_there_takes_no_build_options(row: str, name: str, value: str) -> None:
    settings = (
        {"rotary_scaling_type": "linear", "rotary_scaling_factor": "2"} if name in SCALING else {name: value}
    )
    options = sources.read(settings, {})
    resolved = option_map.resolve(options, Release.of(version(row)), None, 1)
    lines = [line for line in resolved.notes if line.startswith(f"{name}=")]
    if name == "use_custom_all_reduce" and row not in span("0.8.0", "0.11.0"):
        assert len(lines) == 1
        assert "not a choice from TensorRT-LLM 0.12" in lines[0]
    elif row == "0.8.0" and name in ("use_fused_mlp", "use_fp8_context_fmha"):
        assert len(lines) == 1
    elif name == "multi_block_mode" and row not in span("0.8.0", "0.11.0"):
        assert resolved.at("ExtendedRuntimePerfKnobConfig") == {"multi_block_mode": True}
    else:
        assert lines == [
            f"{name}={value} (from serving.properties) has no effect: the engine was built already."
        ]
    assert resolved.problems == ()
    assert not {"BuildConfig", "PluginConfig", "from_hugging_face", "quantize", "config.json"} & set(
        resolved.arguments
    )


def test_the_walk_is_long_enough() -> None:
    distinct = {
        (row, family, tuple(case.settings.items()), case.ranks)
        for row in ENGINES
        for case, family, _ in planned(row)
    }
    assert len(distinct) >= 1500
    assert len(distinct) == sum(1 for row in ENGINES for _ in planned(row))


@pytest.mark.parametrize("cases", [CASES, pytorch_cases.CASES], ids=["engines", "pytorch"])
def test_no_option_is_left_out(cases: Sequence[Case]) -> None:
    walked = {name for case in cases for name in case.settings}
    assert GUIDE - walked == set()
    assert walked | ELSEWHERE == set(SPECS)
    assert not walked & ELSEWHERE


@pytest.mark.parametrize("row", ENGINES)
def test_every_option_of_the_guide_has_an_outcome_on_every_release(row: str) -> None:
    told = {name for case, _, _ in planned(row) for name in case.settings}
    since_012 = {"baichuan_model_version", "chatglm_model_version", "gpt_model_version", "rotary_dim"}
    assert GUIDE - told <= (set() if row in span("0.12.0", "1.2~") else since_012)


def test_the_rows_are_those_of_the_contract() -> None:
    assert set(ORDER) == set(ROWS)
    assert set(ENGINES) == ALL
