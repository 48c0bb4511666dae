"""The type of a checkpoint's weights."""

from __future__ import annotations

import json

from djl_trtllm.core import Checkpoint

_TORCH = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_SAFETENSORS = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}


def weight_type(checkpoint: Checkpoint, dtype: str) -> str:
    """Return fp32, fp16 or bf16: what option.dtype says, where it is `auto` what the checkpoint is stored in."""
    if dtype != "auto":
        return dtype
    named = checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype")
    if isinstance(named, str) and named in _TORCH:
        return _TORCH[named]
    for file in sorted(checkpoint.path.glob("*.safetensors")):
        with file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        types = {tensor.get("dtype") for name, tensor in header.items() if name != "__metadata__"}
        found = [_SAFETENSORS[name] for name in _SAFETENSORS if name in types]
        if found:
            return found[0]
    return "fp32"
