from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from djl_trtllm.core import Limit
from djl_trtllm.engines.openvino import messages as m
from djl_trtllm.engines.openvino import settings as s
from djl_trtllm.engines.openvino.model import ModelFacts
from djl_trtllm.options import sources
from djl_trtllm.options.table import Options

GIB = 2**30


def options(**values: object) -> Options:
    return sources.read({name: str(value) for name, value in values.items()}, {})


def facts(positions: int | None = 2048, cache_type: str = "f16") -> ModelFacts:
    limit = None if positions is None else Limit(positions, "max_position_embeddings in config.json")
    return ModelFacts(
        Path("m"), limit, Limit(700, "vocab_size in config.json"), frozenset({2, 1}), 1024, cache_type
    )


def test_by_default_every_slot_can_be_full_at_once() -> None:
    start, limits = s.settings(
        facts(), options(max_rolling_batch_size=4, max_input_len=100, max_output_len=29), GIB
    )
    assert start.kv_blocks == 4 * 5  # 129 tokens are five blocks of 32.
    assert limits.kv_cache_tokens.value == 640
    assert "max_rolling_batch_size" in limits.kv_cache_tokens.source
    assert start.stop_ids == [1, 2]
    assert start.max_sequences == 4


def test_a_quarter_of_free_memory_is_the_most() -> None:
    start, limits = s.settings(facts(), options(max_input_len=1000, max_output_len=1000), 64 * 2**20)
    assert start.kv_blocks == 64 * 2**20 // 4 // 2048 // 32
    assert "a quarter of the free memory" in limits.kv_cache_tokens.source


def test_too_little_memory_for_one_request_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        start, _ = s.settings(facts(), options(), 1000)
    assert start.kv_blocks == 1
    assert "openvino_kv_cache" in caplog.text


@pytest.mark.parametrize(
    ("value", "precision", "cache_type", "blocks"),
    [
        (1000, "fast", "f16", 32),
        (1024, "fast", "f16", 32),
        ("1MiB", "fast", "f16", 16),
        ("1MiB", "exact", "f16", 8),
        ("1MiB", "fast", "u8", 25),
        ("1MiB", "fast", "", 25),
        ("1KiB", "fast", "f16", 1),
    ],
)
def test_the_option_sets_the_size(value: object, precision: str, cache_type: str, blocks: int) -> None:
    chosen = options(openvino_kv_cache=value, openvino_precision=precision)
    start, limits = s.settings(facts(cache_type=cache_type), chosen, GIB)
    assert start.kv_blocks == blocks
    assert limits.kv_cache_tokens.source == f"option openvino_kv_cache={value}"


def test_without_positions_the_options_bound_the_context() -> None:
    _, limits = s.settings(facts(None), options(max_input_len=100, max_output_len=50), GIB)
    assert (limits.max_sequence_len.value, limits.max_sequence_len.source) == (
        150,
        "options max_input_len and max_output_len together",
    )


def test_exact_sets_every_precision_and_fast_none() -> None:
    assert s.properties(options(openvino_threads=1)) == {"INFERENCE_NUM_THREADS": 1}
    assert s.properties(options(openvino_precision="exact", openvino_threads=3)) == {
        "INFERENCE_PRECISION_HINT": "f32",
        "KV_CACHE_PRECISION": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        "INFERENCE_NUM_THREADS": 3,
    }


def test_threads_on_all_cores_are_not_bound_to_one_each() -> None:
    assert s.properties(options()) == {"ENABLE_CPU_PINNING": False}
    sent = m.decode_to_child(m.encode(s.settings(facts(), options(), GIB)[0]))
    assert isinstance(sent, m.Start)
    assert sent.properties == {"ENABLE_CPU_PINNING": False}


def test_a_step_has_room_for_every_sequence() -> None:
    start, _ = s.settings(facts(), options(openvino_step_tokens=8, max_rolling_batch_size=16), GIB)
    assert start.step_tokens == 16
    start, _ = s.settings(facts(), options(enable_kv_cache_reuse="true", max_num_sequences=3), GIB)
    assert (start.step_tokens, start.prefix_caching, start.max_sequences) == (256, True, 3)


def test_available_memory_is_at_most_the_machine_s() -> None:
    import psutil

    assert 0 < s.available_memory() <= psutil.virtual_memory().total


def test_guides_need_files_an_end_token_and_leave(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for place in ("guide", "guide/probe"):
        (tmp_path / place).mkdir()
        for name in ("openvino_model.xml", "openvino_detokenizer.xml"):
            (tmp_path / place / name).touch()
    whole = replace(facts(), path=tmp_path)
    assert s.settings(whole, options(), GIB)[0].guide == str(tmp_path / "guide")
    assert s.settings(whole, options(guided_decoding="off"), GIB)[0].guide == ""
    with caplog.at_level(logging.INFO):
        assert s.settings(replace(whole, eos_ids=frozenset()), options(), GIB)[0].guide == ""
        assert s.settings(replace(whole, path=tmp_path / "guide"), options(), GIB)[0].guide == ""
    assert "names no end token" in caplog.text
    assert "compile it again" in caplog.text
