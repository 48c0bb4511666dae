"""Opens an engine directory, and fails as the library fails."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.checks import failed
from tests.contract.tensorrt_llm_stand_in.engine_directory import BrokenRankFile, RankFile, rank_path

TENSORRT = "[TensorRT-LLM][ERROR] TRTEngine deserialization failed: "


def open_engine(path: str | os.PathLike[str], library: Any) -> tuple[dict[str, Any], RankFile]:
    """Return config.json and this rank's file. Raises RuntimeError for what cannot run here."""
    directory = Path(path)
    config = _config(directory / "config.json")
    pretrained = config["pretrained_config"]
    mapping = pretrained.get("mapping", pretrained)
    world = mapping["world_size"]
    if world != library.world:
        raise failed(
            "With communicationMode kLEADER, MPI worldSize is expected to be equal to tp*pp when participantIds "
            f"are not specified (MPI size {library.world}, tp*pp {world})"
        )
    if library.knobs.gpu.count == 0:
        raise RuntimeError(
            "[TensorRT-LLM][ERROR] CUDA runtime error in cudaGetDeviceCount: no CUDA-capable device"
        )
    file = _rank_file(rank_path(directory, library.rank))
    if file.version != library.version or config["version"] != library.version:
        raise RuntimeError(
            f"{TENSORRT}Error Code 1: Serialization (Serialization assertion stdVersionRead == "
            f"kSERIALIZATION_VERSION failed. Version tag does not match. Note: Current Version: {library.version}, "
            f"Serialized Engine Version: {file.version})"
        )
    if file.capability != library.knobs.gpu.capability:
        raise RuntimeError(
            f"{TENSORRT}Error Code 6: The engine plan file is generated on an incompatible device, expecting "
            f"compute {library.knobs.gpu.capability} got compute {file.capability}, please rebuild."
        )
    if (file.world, file.rank) != (world, library.rank):
        raise failed(f"engine of rank {file.rank} of {file.world} loaded by rank {library.rank} of {world}")
    return config, file


def _config(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise failed(f"File does not exist: {path}")
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise RuntimeError(f"[json.exception.parse_error.101] parse error in {path}: {error}") from None
    for key in ("version", "pretrained_config", "build_config"):
        if key not in config:
            raise RuntimeError(f"[json.exception.out_of_range.403] key '{key}' not found")
    return dict(config)


def _rank_file(path: Path) -> RankFile:
    if not path.exists():
        raise failed(f"Error opening engine file: {path}")
    try:
        return RankFile.decode(path.read_bytes())
    except BrokenRankFile:
        raise RuntimeError(
            f"{TENSORRT}Error Code 1: Serialization (Serialization assertion sizeRead == static_cast<uint64_t>"
            "(mEngineStream.size()) failed. Size specified in header does not match archive size)"
        ) from None
