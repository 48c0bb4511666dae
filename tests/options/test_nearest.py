from __future__ import annotations

import time

import pytest

from djl_trtllm.options.nearest import nearest, shown
from djl_trtllm.options.table import SPECS


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("max_inputlen", "max_input_len"),
        ("Max-Input-Len", "max_input_len"),
        ("max_rolling_batchsize", "max_rolling_batch_size"),
        ("kv_cache_free_gpu_memory_fraction", "kv_cache_free_gpu_mem_fraction"),
        ("quantise", "quantize"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_name_that_was_meant(slip: str, meant: str | None) -> None:
    assert nearest(slip, SPECS) == meant


def test_long_names_cost_nothing() -> None:
    started = time.process_time()
    assert nearest("max_input_len" * 100_000, SPECS) is None
    assert time.process_time() - started < 0.1


def test_shown_values_are_one_short_line() -> None:
    assert shown("a\nb") == "a?b"
    assert shown("x" * 100) == "x" * 60 + "..."
    assert shown(12) == "12"
