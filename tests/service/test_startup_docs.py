"""docs/startup.md is what the code says: the example block, its labels, the sums, the sentences."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint, Limit, Limits
from djl_trtllm.engines import resources
from djl_trtllm.engines.openvino import estimate as openvino
from djl_trtllm.engines.resources import Memory
from djl_trtllm.model import sizes
from djl_trtllm.options import explain, sources
from djl_trtllm.options.places import size
from djl_trtllm.options.table import Options
from djl_trtllm.service.budget import Budget
from djl_trtllm.service.report import Report, lines
from tests.support import sparse_checkpoints

GIB = 2**30
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "startup.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "host_memory", lambda: Memory(16 * GIB, 14 * GIB))
    monkeypatch.setattr(resources, "host_memory", lambda: Memory(64 * GIB, 60 * GIB))
    monkeypatch.setattr(openvino, "_computes_in_halves", lambda: True)


def read(environ: dict[str, str] | None = None, **values: object) -> Options:
    return sources.read({name: str(value) for name, value in values.items()}, environ or {})


def test_the_example_block(tmp_path: Path) -> None:
    name = "HuggingFaceTB/SmolLM2-135M-Instruct"
    options = read(
        {"OPTION_MAX_ROLLING_BATCH_SIZE": "16"}, model_id=name, max_input_len=2048, max_inputs=4096
    )
    expected = openvino.of(sparse_checkpoints.write(tmp_path, sparse_checkpoints.SMOLLM2_135M), options)
    assert expected.kv is not None
    assert expected.kv.tokens is not None
    limits = Limits(
        Limit(2048, "option max_input_len"),
        Limit(512, "option max_output_len"),
        Limit(8192, "max_position_embeddings in config.json"),
        Limit(16, "option max_rolling_batch_size"),
        Limit(expected.kv.tokens, expected.kv.source),
        Limit(49152, "vocab_size in config.json"),
    )
    told = Report(
        origin=name,
        runtime="openvino",
        why="no GPU is visible",
        options=options,
        family="LLaMA",
        artifact="cache hit (3f5c1b0a92de): compiled 2026-11-28 08:00 in 31.2 s from the same files, options and"
        " versions",
        limits=limits,
        estimate=expected,
        free_bytes=12 * GIB + GIB // 2,
        seconds=2.41,
        notes=explain.notes(options, "openvino"),
        versions={
            "djl-trtllm": "0.1.0",
            "openvino": "2026.4.1",
            "openvino-genai": "2026.4.1.0",
            "tokenizers": "0.22.2",
        },
    )
    assert lines(told) == BLOCKS[0].splitlines()


def test_every_label_is_explained() -> None:
    explained = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
    shown = [line[2:12].strip() for line in BLOCKS[0].splitlines()[1:]]
    assert explained == ["ready after", *shown[:3], "quality", *shown[3:]]


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("SmolLM2-135M", sparse_checkpoints.SMOLLM2_135M),
        ("Llama-3-8B", sparse_checkpoints.LLAMA_3_8B),
        (
            "Falcon-7B on TensorRT-LLM",
            {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71},
        ),
        (
            "Baichuan2-13B",
            {
                "model_type": "baichuan",
                "hidden_size": 5120,
                "num_hidden_layers": 40,
                "num_attention_heads": 40,
            },
        ),
    ],
)
def test_the_sums(model: str, config: dict[str, object]) -> None:
    kept = sizes.attention(config)
    assert kept is not None
    token = kept.bytes_per_token(2)
    cells = (model, kept.layers, kept.kv_heads, kept.head_size, f"{token / 1024:g} KiB", size(1536 * token))
    assert f"| {' | '.join(map(str, cells))} |" in PAGE


def llama(directory: Path) -> Checkpoint:
    return replace(sparse_checkpoints.write(directory), origin="my model")


def test_the_sentences_before_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = read(model_loading_timeout=120)
    budget = Budget(options, 1, time.monotonic())
    monkeypatch.setattr(Budget, "left", lambda self: 50.0)
    expected, (warning,) = budget.lines("my model", openvino.of(llama(tmp_path), options))
    assert [expected, warning] == BLOCKS[1:]
