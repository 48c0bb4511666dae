"""The engine directories of the stand-in: `config.json` as the library has it, and small rank files.

`write_engine` makes one without compiling anything; what `Engine.save` writes has the same format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in import rows
from tests.contract.tensorrt_llm_stand_in.knobs import Gpu

MAGIC = b"TENSORRT-LLM STAND-IN ENGINE\n"
ENDING = b"\nEND OF ENGINE\n"


class BrokenRankFile(ValueError):
    """A rank file that does not end as one does, or never was one."""


@dataclass(frozen=True, slots=True)
class RankFile:
    """What one rank's engine is: `version` of the library, `capability` of the GPU, `digest` of the weights."""

    version: str
    rank: int
    world: int
    gpu: str
    capability: str
    digest: str = ""

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        return MAGIC + json.dumps(asdict(self)).encode() + ENDING

    @classmethod
    def decode(cls, data: bytes) -> RankFile:
        """Read the bytes of a file. Raises `BrokenRankFile`."""
        if not data.startswith(MAGIC) or not data.endswith(ENDING):
            raise BrokenRankFile
        return cls(**json.loads(data[len(MAGIC) : -len(ENDING)]))


def rank_path(directory: Path, rank: int) -> Path:
    """Return the path of a rank's engine."""
    return directory / f"rank{rank}.engine"


def config(
    row: str,
    *,
    world: int = 1,
    pp: int = 1,
    vocab_size: int = 1000,
    architecture: str = "LlamaForCausalLM",
    max_input_len: int = 1024,
    max_seq_len: int = 2048,
    max_batch_size: int = 32,
    max_beam_width: int = 1,
    max_num_tokens: int = 8192,
    plugin_config: Mapping[str, Any] | None = None,
    **build_config: Any,
) -> dict[str, Any]:
    """Return a config.json for a row; other keywords go to `build_config`, `plugin_config` is laid over defaults."""
    length = (
        {"max_output_len": max_seq_len - max_input_len}
        if rows.minor(row) < (0, 11)
        else {"max_seq_len": max_seq_len}
    )
    mapping = {"world_size": world, "tp_size": world // pp, "pp_size": pp}
    return {
        "version": rows.version(row),
        "pretrained_config": {
            "architecture": architecture,
            "dtype": "float16",
            "vocab_size": vocab_size,
            "max_position_embeddings": max_seq_len,
            "hidden_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "mapping": mapping,
            "quantization": {"quant_algo": None, "kv_cache_quant_algo": None},
            **(
                {"world_size": world, "tp_size": world // pp, "pp_size": pp}
                if rows.minor(row) < (0, 9)
                else {}
            ),
        },
        "build_config": {
            "max_input_len": max_input_len,
            **length,
            "max_batch_size": max_batch_size,
            "max_beam_width": max_beam_width,
            "max_num_tokens": max_num_tokens,
            **build_config,
            "plugin_config": {
                "dtype": "float16",
                "gpt_attention_plugin": "auto",
                "gemm_plugin": "auto",
                "context_fmha": True,
                "paged_kv_cache": True,
                "remove_input_padding": True,
                "use_paged_context_fmha": True,
                "tokens_per_block": 64,
                **(plugin_config or {}),
            },
        },
    }


def write_engine(directory: Path, row: str, *, gpu: Any = True, world: int = 1, **values: Any) -> Path:
    """Write an engine of a row for `world` ranks and return its directory. `values` are those of `config`."""
    directory.mkdir(parents=True, exist_ok=True)
    made_on = Gpu.of(gpu)
    text = json.dumps(config(row, world=world, **values), indent=4)
    (directory / "config.json").write_text(text, encoding="utf-8")
    for rank in range(world):
        file = RankFile(rows.version(row), rank, world, made_on.name, made_on.capability)
        rank_path(directory, rank).write_bytes(file.encode())
    return directory
