from __future__ import annotations

import pytest

from djl_trtllm.engines.trtllm.load_errors import load_error, one_line
from djl_trtllm.errors import ArtifactError, LoadError, OptionsError, OutOfMemory


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("[TensorRT-LLM][ERROR] CUDA error: out of memory\nframes"), OutOfMemory),
        (MemoryError(), OutOfMemory),
        (type("OutOfMemoryError", (RuntimeError,), {})("Tried to allocate 2 GiB"), OutOfMemory),
        (RuntimeError("Assertion failed: No free memory for KV cache blocks"), OutOfMemory),
        (RuntimeError("TRTEngine deserialization failed: Version tag does not match"), ArtifactError),
        (RuntimeError("generated on an incompatible device, expecting compute 8.6"), ArtifactError),
        (RuntimeError("something else."), LoadError),
    ],
)
def test_what_the_library_says_becomes_one_sentence(error: Exception, kind: type) -> None:
    made = load_error(error, "the engine")
    assert type(made) is kind
    assert "\n" not in str(made)
    assert ".." not in str(made)
    if kind is OutOfMemory:
        assert "max_rolling_batch_size" in str(made)
        assert made.status == 507


def test_our_own_errors_stay() -> None:
    ours = OptionsError("max_input_len=0")
    assert load_error(ours, "the engine") is ours


def test_arguments_of_a_call_are_never_repeated() -> None:
    error = TypeError("enqueue(): incompatible function arguments. Invoked with: [101, 202]")
    assert "101" not in one_line(error)
    assert one_line(RuntimeError("first\nsecond")) == "first"
    assert one_line(RuntimeError()) == "RuntimeError"
    assert len(one_line(RuntimeError("x" * 9000))) == 500
