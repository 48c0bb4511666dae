from __future__ import annotations

from djl_trtllm.engines.trtllm.abilities import problems
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.options import sources

V100 = Gpu("Tesla V100", "7.0", 2**34)
H100 = Gpu("NVIDIA H100", "9.0", 2**36)


def test_the_oldest_gpu_decides() -> None:
    options = sources.read({"dtype": "bf16"}, {})
    assert problems(options, [H100, V100]) == [
        "dtype=bf16 (from serving.properties) needs compute capability 8.0; Tesla V100 has 7.0. Set dtype=fp16, or use"
        " a newer GPU."
    ]
    assert problems(options, [H100]) == []


def test_without_gpus_there_is_nothing_to_compare() -> None:
    assert problems(sources.read({"quantize": "fp8"}, {}), []) == []
