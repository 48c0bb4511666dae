"""A converted checkpoint: config.json, and one file for each rank."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_config(directory: Path, config: dict[str, Any]) -> None:
    """Write config.json."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config, indent=4, default=str), encoding="utf-8")


def write_rank(directory: Path, rank: int, digest: str) -> None:
    """Write the file of a rank: safetensors with nothing but what stands for the weights."""
    directory.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"__metadata__": {"digest": digest}}).encode()
    (directory / f"rank{rank}.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def config_of(directory: Path) -> dict[str, Any]:
    """Read config.json."""
    return dict(json.loads((directory / "config.json").read_bytes()))


def digest_of(directory: Path, rank: int) -> str:
    """Read the file of a rank; AssertionError where there is none."""
    path = directory / f"rank{rank}.safetensors"
    assert path.is_file(), f"{path} does not exist"
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return str(header["__metadata__"]["digest"])
