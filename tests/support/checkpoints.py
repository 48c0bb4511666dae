"""Checkpoints of a few bytes, whole as far as their file formats go, for tests that never load them."""

from __future__ import annotations

import json
from pathlib import Path


def safetensors(dtype: str = "F32", width: int = 4) -> bytes:
    """A safetensors file with one tensor of four zeros."""
    header = json.dumps({"w": {"dtype": dtype, "shape": [4], "data_offsets": [0, 4 * width]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4 * width)


def write(directory: Path, **config: object) -> Path:
    """Write config.json and model.safetensors."""
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    (directory / "model.safetensors").write_bytes(safetensors())
    return directory
