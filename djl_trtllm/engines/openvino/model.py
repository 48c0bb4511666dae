"""What a compiled model's own files say about it: positions, vocabulary, end tokens, KV cache per token."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.core import Limit
from djl_trtllm.errors import ArtifactError

POSITIONS = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "seq_length",
    "max_seq_len",
    "max_sequence_length",
    "model_max_length",
)
"""Names that model families give to the number of positions, the most telling first."""

_STATE = re.compile(rb'variable_shape="([^"]*)"')
_CACHE_TYPE = re.compile(rb'<KV_CACHE_PRECISION value="([^"]*)"')


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts of one compiled model. `positions` is None where the architecture has no limit of its own.

    `state_per_token` counts the numbers that one token adds to the KV cache, all layers together.
    `cache_type` is the type that the model file asks for, as OpenVINO writes it, or "".
    """

    path: Path
    positions: Limit | None
    vocab_size: Limit
    eos_ids: frozenset[int]
    state_per_token: int
    cache_type: str


def read_facts(path: Path) -> ModelFacts:
    """Read the facts of the compiled model in directory `path`. Raises `ArtifactError` naming the file."""
    config = _json(path / "config.json")
    if config is None:
        raise ArtifactError("The compiled model has no config.json.")
    text = _json(path / "text.json") or {}
    model = path / "openvino_model.xml"
    if not model.is_file() or not model.with_suffix(".bin").is_file():
        raise ArtifactError("The compiled model has no openvino_model.xml with its openvino_model.bin.")
    graph = model.read_bytes()
    cache_type = _CACHE_TYPE.search(graph)
    return ModelFacts(
        path,
        _positions(config, text),
        _vocab_size(config, text),
        _eos_ids(path, config, text),
        sum(_static_size(shape) for shape in _STATE.findall(graph)),
        cache_type.group(1).decode("ascii", "replace") if cache_type else "",
    )


def _json(path: Path) -> Mapping[str, object] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path.name} of the compiled model cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ArtifactError(f"{path.name} of the compiled model is not a JSON object.")
    return found


def _positions(config: Mapping[str, object], text: Mapping[str, object]) -> Limit | None:
    for file, values in (("config.json", config), ("text.json", text)):
        for name in POSITIONS:
            value = values.get(name)
            # Some checkpoints write a huge number where there is no limit.
            if isinstance(value, int) and 0 < value < 10**9:
                return Limit(value, f"{name} in {file}")
    return None


def _vocab_size(config: Mapping[str, object], text: Mapping[str, object]) -> Limit:
    for file, name, values in (
        ("config.json", "vocab_size", config),
        ("config.json", "padded_vocab_size", config),
        ("text.json", "vocab_size", text),
    ):
        value = values.get(name)
        if isinstance(value, int) and value > 0:
            return Limit(value, f"{name} in {file}")
    raise ArtifactError("config.json of the compiled model does not say its vocab_size.")


def _eos_ids(path: Path, config: Mapping[str, object], text: Mapping[str, object]) -> frozenset[int]:
    """End tokens of the first file that names any; what was compiled in wins."""
    for found in (
        text.get("eos_token_ids"),
        (_json(path / "generation_config.json") or {}).get("eos_token_id"),
        config.get("eos_token_id"),
    ):
        ids = [found] if isinstance(found, int) else found
        if isinstance(ids, list) and ids:
            return frozenset(i for i in ids if isinstance(i, int))
    return frozenset()


def _static_size(shape: bytes) -> int:
    """Product of the known sizes in a shape such as `?,8,?,64`: batch and length are the unknown ones."""
    return math.prod(int(size) for size in shape.split(b",") if size.strip().isdigit())
