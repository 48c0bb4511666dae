from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.trtllm.engine_files import EngineFacts
from djl_trtllm.engines.trtllm.limits import limits, longest_input
from djl_trtllm.engines.trtllm.versions import Release
from tests.support.trtllm_engines import options

NEW, OLD = Release.of("0.12.0"), Release.of("0.10.0")


def facts(**values: object) -> EngineFacts:
    known = {
        "path": Path(),
        "version": "0.12.0",
        "architecture": "LlamaForCausalLM",
        "dtype": "float16",
        "vocab_size": 1000,
        "world_size": 1,
        "tp_size": 1,
        "pp_size": 1,
        "max_input_len": 700,
        "max_seq_len": 1000,
        "max_batch_size": 16,
        "max_num_tokens": 8192,
    }
    return EngineFacts(**{**known, **values})  # type: ignore[arg-type]


BROUGHT = CompiledModel(Path(), "brought", runtime="trtllm")
OURS = CompiledModel(Path(), "ours")


def test_an_engine_that_was_brought_has_its_own_limits() -> None:
    found = limits(facts(), BROUGHT, options(), {}, OLD, 4096)
    assert (found.max_input_len.value, found.max_output_len.value) == (700, 1000)
    assert (found.max_sequence_len.value, found.max_batch_size.value) == (1000, 16)
    assert (found.kv_cache_tokens.value, found.vocab_size.value) == (4096, 1000)
    assert found.max_input_len.source == "max_input_len in the engine's config.json"
    assert limits(facts(max_output_len=300), BROUGHT, options(), {}, OLD, None).max_output_len.value == 300


def test_options_that_are_set_lower_them_and_never_raise_them() -> None:
    lower = options(max_input_len=50, max_output_len=60, max_rolling_batch_size=4)
    found = limits(facts(), BROUGHT, lower, {}, OLD, None)
    assert (found.max_input_len.value, found.max_output_len.value, found.max_batch_size.value) == (50, 60, 4)
    assert found.max_input_len.source == "option max_input_len"
    higher = options(max_input_len=5000, max_output_len=6000, max_rolling_batch_size=400)
    found = limits(facts(), BROUGHT, higher, {}, OLD, None)
    assert (found.max_input_len.value, found.max_output_len.value) == (700, 1000)
    assert found.max_batch_size.value == 16


def test_defaults_hold_for_engines_of_ours() -> None:
    built = facts(max_input_len=1024, max_seq_len=1536, max_batch_size=32)
    found = limits(built, OURS, options(), {}, NEW, None)
    assert (found.max_input_len.value, found.max_output_len.value) == (1024, 512)
    assert found.max_batch_size.value == 32


def test_a_cache_of_unknown_size_is_no_limit_of_its_own() -> None:
    found = limits(facts(), BROUGHT, options(), {}, NEW, None)
    assert found.kv_cache_tokens == found.max_sequence_len


@pytest.mark.parametrize(
    ("values", "running", "release", "expected"),
    [
        ({}, {}, OLD, 700),
        ({}, {}, NEW, 999),  # The built length counts for nothing.
        ({"plugins": {"remove_input_padding": False}}, {}, NEW, 700),
        ({"plugins": {"context_fmha": False}}, {}, NEW, 700),
        ({"max_num_tokens": 512}, {}, NEW, 512),
        ({"max_num_tokens": 512}, {}, OLD, 512),
        ({}, {"max_num_tokens": 256}, NEW, 256),
        ({"max_num_tokens": 512}, {"enable_chunked_context": True}, NEW, 999),
        ({"max_num_tokens": None}, {}, NEW, 999),
    ],
)
def test_the_longest_prompt_that_is_taken_up(
    values: dict[str, object], running: dict[str, object], release: Release, expected: int
) -> None:
    assert longest_input(facts(**values), {"ExecutorConfig": running}, release).value == expected
