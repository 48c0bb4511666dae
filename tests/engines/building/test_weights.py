from pathlib import Path

import pytest

from djl_trtllm.engines.building.weights import weight_type
from djl_trtllm.model import checkpoint
from tests.support.checkpoints import safetensors, write


@pytest.mark.parametrize(
    ("config", "stored", "asked", "expected"),
    [
        ({"dtype": "bfloat16"}, "F32", "auto", "bf16"),
        ({"torch_dtype": "float16"}, "F32", "auto", "fp16"),
        ({}, "BF16", "auto", "bf16"),
        ({"torch_dtype": "strange"}, "F16", "auto", "fp16"),
        ({}, "I64", "auto", "fp32"),
        ({"dtype": "bfloat16"}, "BF16", "fp32", "fp32"),
    ],
)
def test_the_type_is_asked_named_or_stored(
    tmp_path: Path, config: dict[str, object], stored: str, asked: str, expected: str
) -> None:
    write(tmp_path, **config)
    (tmp_path / "model.safetensors").write_bytes(safetensors(stored))
    assert weight_type(checkpoint.read(tmp_path, "x"), asked) == expected
