"""config.pbtxt is read back as the options that it was written from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from djl_trtllm.model import pbtxt, triton_config
from djl_trtllm.options import sources
from djl_trtllm.options.kinds import Size
from djl_trtllm.options.table import Options
from djl_trtllm.partition import triton

OPTIONS = Options(
    max_rolling_batch_size=48,
    batch_scheduler_policy="guaranteed_no_evict",
    kv_cache_free_gpu_mem_fraction=0.5,
    enable_kv_cache_reuse=True,
    enable_chunked_context=True,
    max_beam_width=2,
    max_num_sequences=64,
)
SERVING = (
    "max_rolling_batch_size",
    "batch_scheduler_policy",
    "kv_cache_free_gpu_mem_fraction",
    "enable_kv_cache_reuse",
    "enable_chunked_context",
    "enable_trt_overlap",
    "max_beam_width",
    "max_num_sequences",
)


@pytest.mark.parametrize("options", [OPTIONS, Options()])
def test_what_matters_while_serving_comes_back(tmp_path: Path, options: Options) -> None:
    file = tmp_path / triton.FILE
    file.write_text(triton.render(options, tmp_path))
    brought = triton_config.read(file)
    assert set(brought) == set(SERVING)
    again = sources.read({}, {}, lowest=(triton.FILE, brought))
    assert {name: getattr(again, name) for name in SERVING} == {
        name: getattr(options, name) for name in SERVING
    }
    assert again.warnings == ()


def test_a_size_of_the_kv_cache_is_no_fraction(tmp_path: Path) -> None:
    file = tmp_path / triton.FILE
    file.write_text(
        triton.render(dataclasses.replace(OPTIONS, kv_cache_free_gpu_mem_fraction=Size(1 << 30)), tmp_path)
    )
    assert "kv_cache_free_gpu_mem_fraction" not in triton_config.read(file)


@pytest.mark.parametrize("name", ['a "quoted" one', "back\\slash", "größer 模型", "two\nlines"])
def test_paths_are_written_so_that_they_are_read(name: str) -> None:
    config = pbtxt.parse(triton.render(OPTIONS, Path("/models", name)))
    parameters = {
        entry.value("key"): entry.messages["value"][0].value("string_value")
        for entry in config.messages["parameters"]
    }
    assert parameters["gpt_model_path"] == f"/models/{name}"
    assert config.value("backend") == "tensorrtllm"
