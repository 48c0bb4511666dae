from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.options import explain
from djl_trtllm.options.runtimes import UNUSED
from djl_trtllm.options.sources import read
from djl_trtllm.options.table import DEFAULTS, SPECS, Options

DOCS = Path(__file__).parents[2] / "docs" / "options.md"


def notes(runtime: str = "openvino", **properties: str) -> list[str]:
    return explain.notes(read(properties, {}), runtime)


def test_nothing_set_nothing_said() -> None:
    assert notes() == []


def test_honoured_options_need_no_note() -> None:
    assert (
        notes(max_input_len="2048", quantize="int8", rotary_base="1e6", revision="main", dtype="fp16") == []
    )


@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        ("kv_cache_free_gpu_mem_fraction", "0.8", "openvino_kv_cache"),
        ("max_num_tokens", "50000", "openvino_step_tokens"),
        ("tokens_per_block", "64", "32 tokens"),
        ("batch_scheduler_policy", "guaranteed_no_evict", "max_utilization"),
        ("use_fused_mlp", "true", "OpenVINO fuses"),
        ("use_custom_all_reduce", "true", "one process"),
        ("enable_trt_overlap", "true", "follow each other"),
        ("multi_block_mode", "true", "OpenVINO splits"),
        ("awq_block_size", "64", "without quantize=awq"),
        ("openvino_group_size", "64", "without quantize=int4 or awq"),
    ],
)
def test_what_openvino_does_not_use_says_what_holds(name: str, value: str, holds: str) -> None:
    (line,) = notes(**{name: value})
    assert line.startswith(f"{name}={value} (from serving.properties) ")
    assert holds in line


def test_values_that_hold_anyway_need_no_note() -> None:
    assert notes(tokens_per_block="32", use_fused_mlp="false", batch_scheduler_policy="max_utilization") == []
    assert notes(multi_query_mode="true", max_beam_width="1", guided_decoding="auto", tracing="off") == []


def test_in_effect_options_need_no_note() -> None:
    assert notes(quantize="smoothquant", smoothquant_alpha="0.5", calib_size="8") == []
    assert notes(quantize="awq", awq_block_size="64", awq_format="int4_awq") == []


def test_texts_are_used_wherever_something_is_quantised() -> None:
    assert notes(quantize="int8", calib_dataset="mine.txt") == []
    (line,) = notes(calib_dataset="mine.txt")
    assert line.endswith("has no effect without quantize=smoothquant or awq or fp8 or int8 or int4.")
    assert "calib_dataset" not in Options(quantize="int8", calib_dataset="x").build_values("openvino")


def test_openvinos_options_on_trtllm() -> None:
    (line,) = notes("trtllm", openvino_kv_cache="2GiB")
    assert "openvino_kv_cache=2GiB" in line
    assert "kv_cache_free_gpu_mem_fraction holds" in line


def test_unknown_options_come_first() -> None:
    lines = notes(max_num_tokens="1", nonsense="1")
    assert lines[0] == "nonsense (from serving.properties) is not an option; it has no effect."
    assert len(lines) == 2


@pytest.mark.parametrize("runtime", UNUSED)
@pytest.mark.parametrize("name", SPECS)
def test_every_option_reads_as_a_sentence_in_every_table(name: str, runtime: str) -> None:
    (row,) = explain.rows([name])
    assert row["meaning"] == SPECS[name].help
    fate = row["unused"].get(runtime, "has")  # type: ignore[attr-defined]
    assert fate.split()[0] in ("is", "has")


def test_the_documentation_is_current() -> None:
    assert DOCS.read_text(encoding="utf-8") == explain.as_markdown(), (
        "docs/options.md is not what the table says; run: djl-trtllm options --markdown > docs/options.md"
    )


def test_tables_hold_every_option() -> None:
    assert [row["name"] for row in explain.rows()] == list(SPECS)
    text, page = explain.as_text(), explain.as_markdown()
    for name in SPECS:
        assert f"{name}  (" in text
        assert f"| `{name}` |" in page


def test_effective_values_name_their_source() -> None:
    rows = explain.effective(read({"max_input_len": "7"}, {"OPTION_CACHE": "off"}))
    assert ("max_input_len", "7", "serving.properties") in rows
    assert ("cache", "off", "OPTION_CACHE") in rows
    assert ("trust_remote_code", "false", "default") in rows
    assert len(rows) == len(DEFAULTS)
