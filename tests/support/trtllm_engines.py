"""TensorRT engines on the stand-in, for tests: directories without compiling, options, and engines over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from djl_trtllm.core import CompiledModel, Team
from djl_trtllm.engines.base import Engine
from djl_trtllm.engines.trtllm import run
from djl_trtllm.options import sources
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo
from tests.contract.tensorrt_llm_stand_in import ROWS, write_engine
from tests.contract.tensorrt_llm_stand_in import rows as stand_in_rows

VOCAB = 1000
KV_TOKENS = 2048
"""What one request may use; the cache has one block more."""
BLOCK = 64
LONGEST_INPUT, LONGEST = KV_TOKENS - 2, KV_TOKENS + 600
STEP = 0.0002
"""Seconds that a step of the stand-in takes."""

EXECUTOR_ROWS = [row for row in ROWS if (0, 9) <= stand_in_rows.minor(row) < (1, 3)]


def options(**given: object) -> Options:
    """Options of an engine: quick to give up what hangs."""
    values = {"rank_timeout": 20, "stall_timeout": 30, **given}
    return sources.read({f"option.{name}": str(value) for name, value in values.items()}, {})


def model(directory: Path, row: str, *, eos: int | list[int] | None = None, **values: Any) -> CompiledModel:
    """Write an engine that somebody else has built. `eos` are its end tokens; `values` those of `write_engine`."""
    built = {"max_input_len": LONGEST_INPUT, "max_seq_len": LONGEST, "vocab_size": VOCAB, **values}
    write_engine(directory, row, **built)
    if eos is not None:
        (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": eos}))
    return CompiledModel(directory, f"the engine of {row}", runtime="trtllm")


def engine(model: CompiledModel, team: Team | None = None, **given: object) -> Engine:
    """Make the engine of the installed row, not yet open."""
    return run.engine(model, options(**given), team or Solo())
