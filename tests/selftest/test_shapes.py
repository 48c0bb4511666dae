"""Real kernels take the tiny checkpoints: heads, widths and vocabularies are what GPUs want."""

from __future__ import annotations

import pytest

from djl_trtllm.engines.trtllm.families import FAMILIES as COMPILED
from djl_trtllm.model.families import FAMILIES
from djl_trtllm.selftest.shapes import LONGEST_INPUT, LONGEST_OUTPUT, POSITIONS, SHAPES, VOCAB_SIZE, Shape


def first(shape: Shape, *names: str) -> int:
    return next(int(str(shape.sizes[name])) for name in names if name in shape.sizes)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_every_rank_has_whole_heads_and_groups(shape: Shape, ranks: int) -> None:
    hidden = first(shape, "hidden_size", "n_embd")
    heads = first(shape, "num_attention_heads", "n_head")
    assert hidden // heads == 64
    assert heads % ranks == 0
    assert hidden % (128 * ranks) == 0
    inner = [int(str(size)) for name, size in shape.sizes.items() if "intermediate" in name or "ffn" in name]
    assert all(size % (128 * ranks) == 0 for size in inner if "shared" not in str(size))
    assert VOCAB_SIZE % (64 * ranks) == 0


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_requests_fit_into_the_positions(shape: Shape) -> None:
    positions = first(shape, "max_position_embeddings", "n_positions", "seq_length")
    assert positions == POSITIONS
    assert LONGEST_INPUT + LONGEST_OUTPUT <= POSITIONS


def test_every_family_of_the_openvino_runtime_has_a_checkpoint() -> None:
    assert set(FAMILIES) <= set(SHAPES)


def test_nearly_every_family_that_is_compiled_for_gpus_has_a_checkpoint() -> None:
    without = {kind.name for kind in COMPILED if not set(kind.model_types) & set(SHAPES)}
    assert without == {"santacoder", "glm"}


def test_architectures_are_those_of_the_families() -> None:
    known = {name: kind for kind in COMPILED for name in kind.model_types}
    for name, shape in SHAPES.items():
        if name in known:
            assert shape.architecture in known[name].architectures
            assert shape.own_code == known[name].code or name == "internlm2"


def test_code_is_named_where_a_checkpoint_brings_some() -> None:
    config = SHAPES["chatglm"].config()
    assert config["auto_map"] == {
        "AutoConfig": "modeling_tiny.ChatGLMModelConfig",
        "AutoModel": "modeling_tiny.ChatGLMModel",
        "AutoModelForCausalLM": "modeling_tiny.ChatGLMModel",
    }
    assert "auto_map" not in SHAPES["llama"].config()
