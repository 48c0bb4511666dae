import logging
from pathlib import Path

import pytest

from djl_trtllm.errors import UnsupportedModel
from djl_trtllm.model import triton_config


def parameter(key: str, value: str) -> str:
    return f'parameters: {{ key: "{key}" value: {{ string_value: "{value}" }} }}\n'


def read(path: Path, text: str) -> dict[str, str]:
    (path / triton_config.NAME).write_text(text)
    return triton_config.read(path / triton_config.NAME)


def test_the_file_of_the_manual_tutorial(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    text = 'name: "tensorrt_llm"\nmax_batch_size: 64\nmodel_transaction_policy { decoupled: True }\n'
    for key, value in {
        "enable_trt_overlap": "False",
        "batch_scheduler_policy": "max_utilization",
        "kv_cache_free_gpu_mem_fraction": "0.95",
        "max_num_sequences": "64",
        "max_beam_width": "1",
        "gpt_model_type": "inflight_fused_batching",
        "gpt_model_path": "/opt/ml/model/tensorrt_llm/1",
        "exclude_input_in_output": "True",
        "FORCE_CPU_ONLY_INPUT_TENSORS": "no",
        "max_attention_window_size": "${max_attention_window_size}",
        "enable_kv_cache_reuse": "",
    }.items():
        text += parameter(key, value)
    assert read(tmp_path, text) == {
        "enable_trt_overlap": "False",
        "batch_scheduler_policy": "max_utilization",
        "kv_cache_free_gpu_mem_fraction": "0.95",
        "max_num_sequences": "64",
        "max_beam_width": "1",
        "max_rolling_batch_size": "64",
    }
    assert not caplog.messages


def test_what_no_option_is_like_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    text = parameter("max_tokens_in_paged_kv_cache", "4096") + parameter("sink_token_length", "4")
    assert read(tmp_path, text) == {}
    (line,) = caplog.messages
    assert "no option is like max_tokens_in_paged_kv_cache, sink_token_length" in line


@pytest.mark.parametrize(
    ("batch", "slots"), [("0", None), ("${x}", None), ("8", "8"), ("2048", "999"), ("-1", None)]
)
def test_the_batch_size_of_triton(tmp_path: Path, batch: str, slots: str | None) -> None:
    assert read(tmp_path, f"max_batch_size: {batch}").get("max_rolling_batch_size") == slots


def test_static_batching_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for name in ("gpt_model_type", "batching_strategy"):
        with pytest.raises(UnsupportedModel, match=f"static batching \\({name}=V1\\)"):
            read(tmp_path, parameter(name, "V1"))
    assert read(tmp_path, parameter("gpt_model_type", "inflight_batching")) == {}
    assert "gpt_model_type=inflight_batching; inflight_fused_batching holds" in caplog.text


def test_a_tokenizer_that_is_here(tmp_path: Path) -> None:
    assert read(tmp_path, parameter("tokenizer_dir", str(tmp_path))) == {"tokenizer": str(tmp_path)}
    assert read(tmp_path, parameter("tokenizer_dir", "/somewhere/else")) == {}
    assert read(tmp_path, parameter("tokenizer_dir", "/" + "x" * 300)) == {}


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedModel, match="is not protobuf text: line 1: the file ends and '}' is missing"
    ):
        read(tmp_path, "parameters {")
    with pytest.raises(UnsupportedModel, match="cannot be read"):
        triton_config.read(tmp_path / "none")
