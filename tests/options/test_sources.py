from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.errors import OptionsError
from djl_trtllm.options.explain import written
from djl_trtllm.options.kinds import Size, Tokens
from djl_trtllm.options.sources import read
from djl_trtllm.options.table import DEFAULTS, SPECS, Options

DJL = {
    "mpi_mode": "true",
    "device_id": "-1",
    "model_dir": "/models/a",
    "engine": "MPI",
    "minWorkers": "1",
    "maxWorkers": "1",
    "gpu.minWorkers": "1",
    "entryPoint": "djl_trtllm.handler",
    "handler": "handle",
    "batch_size": "1",
    "job_queue_size": "100",
    "load_on_devices": "*",
    "retry_threshold": "0",
    "task": "text-generation",
    "enable_streaming": "false",
    "async_mode": "false",
    "env": "A=B",
    "chunked_read_timeout": "60",
}


def problems(properties: dict[str, object], environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(OptionsError) as caught:
        read(properties, environ or {})
    return list(caught.value.problems)


def test_the_guides_quick_start() -> None:
    options = read(
        DJL
        | {
            "tensor_parallel_degree": "max",
            "rolling_batch": "trtllm",
            "model_id": "org/model",
            "max_rolling_batch_size": "64",
            "max_input_len": "1024",
            "max_output_len": "512",
        },
        {},
    )
    assert options.warnings == ()
    assert (options.model_id, options.max_rolling_batch_size, options.rolling_batch) == (
        "org/model",
        64,
        "trtllm",
    )
    assert options.tensor_parallel(2) == 2
    assert options.model_dir == "/models/a"
    assert options.source_of("max_input_len") == "serving.properties"


def test_the_guides_quick_start_by_environment() -> None:
    environ = {
        "HF_MODEL_ID": "org/model",
        "TENSOR_PARALLEL_DEGREE": "max",
        "OPTION_ROLLING_BATCH": "trtllm",
        "OPTION_MAX_ROLLING_BATCH_SIZE": "64",
        "OPTION_ENTRYPOINT": "djl_trtllm.handler",
        "OPTION_ENGINE": "MPI",
        "HF_REVISION": "main",
        "MODEL_LOADING_TIMEOUT": "1200",
        "PREDICT_TIMEOUT": "300",
    }
    options = read({}, environ)
    assert options.warnings == ()
    assert options.model_id == "org/model"
    assert options.source_of("model_id") == "HF_MODEL_ID"
    assert options.source_of("max_rolling_batch_size") == "OPTION_MAX_ROLLING_BATCH_SIZE"
    assert (options.model_loading_timeout, options.rank_timeout, options.predict_timeout) == (1200, 1170, 300)
    # As DJL passes them on: merged into its properties.
    merged = {"model_id": "org/model", "tensor_parallel_degree": 2, "max_rolling_batch_size": "64"}
    again = read(merged, environ)
    assert again.source_of("max_rolling_batch_size") == "OPTION_MAX_ROLLING_BATCH_SIZE"
    assert again.source_of("tensor_parallel_degree") == "TENSOR_PARALLEL_DEGREE"
    assert again.tensor_parallel_degree == "2"


def test_the_file_wins_over_the_environment() -> None:
    environ = {
        "OPTION_MAX_INPUT_LEN": "5",
        "OPTION_MODEL_ID": "b",
        "HF_MODEL_ID": "c",
        "MODEL_LOADING_TIMEOUT": "9",
    }
    options = read({"max_input_len": "7", "model_loading_timeout": "99"}, environ)
    assert (options.max_input_len, options.source_of("max_input_len")) == (7, "serving.properties")
    assert (options.model_id, options.source_of("model_id")) == ("b", "OPTION_MODEL_ID")
    assert options.model_loading_timeout == 99


def test_a_wrong_value_that_is_overridden_does_no_harm() -> None:
    assert read({"max_input_len": "7"}, {"OPTION_MAX_INPUT_LEN": "many"}).max_input_len == 7


def test_prefixes_aliases_spaces_and_empty_values() -> None:
    options = read(
        {"option.awq_calib_size": " 16 ", "quantize": "", "backend": "PyTorch", "revision": "  "}, {}
    )
    assert (options.calib_size, options.quantize, options.runtime) == (16, None, "trtllm-pytorch")
    assert options.revision is None
    assert options.source_of("calib_size") == "serving.properties"
    assert options.source_of("quantize") == "default"


def test_a_degree_of_zero_from_djl_is_no_degree() -> None:
    assert read({"tensor_parallel_degree": 0}, {}).tensor_parallel_degree is None


def test_parsed_types() -> None:
    options = read({"openvino_kv_cache": "2GiB", "kv_cache_free_gpu_mem_fraction": "8GiB"}, {})
    assert options.openvino_kv_cache == Size(2**31)
    assert options.kv_cache_free_gpu_mem_fraction == Size(2**33)
    assert read({"openvino_kv_cache": "4096"}, {}).openvino_kv_cache == Tokens(4096)


def test_all_mistakes_at_once() -> None:
    found = problems(
        {
            "max_input_len": "many",
            "quantize": "smothquant",
            "max_rolling_batch_size": "1000",
            "rotary_scaling_type": "linear",
            "async_mode": "true",
            "unknown_options": "reject",
            "max_outputlen": "3",
        },
        {"OPTION_DTYPE": "fp64"},
    )
    assert found == [
        "max_input_len=many (from serving.properties) must be a whole number from 1 to 10000000.",
        "quantize=smothquant (from serving.properties) must be one of smoothquant, awq, fp8, int8, int4, or none.",
        "max_rolling_batch_size=1000 (from serving.properties) must be a whole number from 1 to 999.",
        "dtype=fp64 (from OPTION_DTYPE) must be one of auto, fp32, fp16, bf16.",
        "max_outputlen (from serving.properties) is not an option; did you mean max_output_len?",
        "rotary_scaling_type=linear (from serving.properties) needs rotary_scaling_factor as well.",
        "async_mode=true is not for this handler, which answers step by step; "
        "set option.rolling_batch=trtllm and option.async_mode=false.",
    ]


def test_two_names_of_one_option() -> None:
    assert problems({"q_format": "int4_awq", "awq_format": "int8", "quantize": "awq"}) == [
        "q_format=int4_awq (from serving.properties) and awq_format=int8 (from serving.properties) are two names of "
        "one option with two values."
    ]
    assert read({"q_format": "int4_awq", "awq_format": "int4_awq"}, {}).q_format == "int4_awq"


def test_a_wrong_partner_is_not_called_missing() -> None:
    assert problems({"rotary_scaling_type": "linear", "rotary_scaling_factor": "0.5"}) == [
        "rotary_scaling_factor=0.5 (from serving.properties) must be a number above 1 and up to 1e+06."
    ]


def test_unknown_options_are_warned_of_once_and_without_their_value() -> None:
    options = read(
        {"hf_tokken": "s3cret", "max_inputlen": "3"}, {"OPTION_HF_TOKKEN": "s3cret", "OPTION_MAX_TOKS": "1"}
    )
    assert len(options.warnings) == 3
    assert "did you mean max_input_len?" in options.warnings[1]
    assert "OPTION_HF_TOKKEN" in options.warnings[0]
    assert not any("s3cret" in warning for warning in options.warnings)


def test_credentials_in_a_wrong_value_are_not_shown() -> None:
    for value in ("s3://key:dontshow@bucket/prefix", "s3://bucket/prefix?X-Amz-Signature=dontshow"):
        with pytest.raises(
            OptionsError, match=r"cache_remote=.* must be an address s3://bucket/prefix"
        ) as caught:
            read({"option.cache_remote": value}, {})
        assert "dontshow" not in str(caught.value)


def test_long_values_are_cut() -> None:
    (problem,) = problems({"max_input_len": "x" * 10_000 + "\n"})
    assert len(problem) < 200
    assert "\n" not in problem


names = st.sampled_from(sorted(SPECS))


@given(st.dictionaries(names | st.text(max_size=20), st.text(max_size=20), max_size=5), st.booleans())
def test_anything_is_options_or_an_options_error(values: dict[str, str], by_environment: bool) -> None:
    environ = {f"OPTION_{key.upper()}": value for key, value in values.items()} if by_environment else {}
    with contextlib.suppress(OptionsError):
        assert isinstance(read({} if by_environment else dict(values), environ), Options)


def test_options_read_back_as_written() -> None:
    pairs: dict[str, object] = {
        name: written(default)
        for name, default in DEFAULTS.items()
        if default is not None and name not in ("max_num_sequences", "rank_timeout")
    }
    assert read(pairs, {}) == Options()


def test_what_the_model_brings_is_weaker_than_all_but_the_defaults() -> None:
    brought = {
        "max_beam_width": "4",
        "max_num_sequences": "8",
        "batch_scheduler_policy": "guaranteed_no_evict",
        "enable_trt_overlap": " ",
    }
    options = read(
        {"option.max_beam_width": "2"}, {"OPTION_MAX_NUM_SEQUENCES": "16"}, lowest=("config.pbtxt", brought)
    )
    assert (options.max_beam_width, options.source_of("max_beam_width")) == (2, "serving.properties")
    assert (options.max_num_sequences, options.source_of("max_num_sequences")) == (
        16,
        "OPTION_MAX_NUM_SEQUENCES",
    )
    policy = "batch_scheduler_policy"
    assert (options.batch_scheduler_policy, options.source_of(policy)) == (
        "guaranteed_no_evict",
        "config.pbtxt",
    )
    assert (options.enable_trt_overlap, options.source_of("enable_trt_overlap")) == (False, "default")


def test_a_wrong_value_that_the_model_brings_is_said_with_its_file() -> None:
    with pytest.raises(OptionsError, match=r"batch_scheduler_policy='?fast'? \(from config.pbtxt\) must be"):
        read({}, {}, lowest=("config.pbtxt", {"batch_scheduler_policy": "fast"}))


def test_a_command_line_wins_over_file_and_environment() -> None:
    flags = ("--option", {"option.max_input_len": "9", "dtype": "fp16"})
    options = read(
        {"max_input_len": "5", "max_output_len": "6"}, {"OPTION_MAX_INPUT_LEN": "7"}, highest=flags
    )
    assert (options.max_input_len, options.max_output_len, options.dtype) == (9, 6, "fp16")
    assert options.sources == {
        "max_input_len": "--option",
        "dtype": "--option",
        "max_output_len": "serving.properties",
    }


def test_a_wrong_value_of_a_command_line_is_told_as_its_own() -> None:
    with pytest.raises(OptionsError, match=r"dtype=fp64 \(from --option\)"):
        read({"dtype": "fp16"}, {}, highest=("--option", {"dtype": "fp64"}))
