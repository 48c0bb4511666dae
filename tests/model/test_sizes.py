"""Sizes of models: of tiny checkpoints by their tensors, of well-known ones by their config.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.model import checkpoint, sizes
from djl_trtllm.model.sizes import Attention
from tests.support import raw_checkpoints, raw_families

LLAMA_3_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "vocab_size": 128256,
}
SMOLLM2_135M = {
    "model_type": "llama",
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}
FALCON_7B = {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71}
FALCON_40B = {
    "model_type": "falcon",
    "hidden_size": 8192,
    "num_hidden_layers": 60,
    "num_attention_heads": 128,
    "num_kv_heads": 8,
    "new_decoder_architecture": True,
}
REFINED_WEB_40B = {
    "model_type": "RefinedWeb",
    "hidden_size": 8192,
    "n_layer": 60,
    "n_head": 128,
    "n_head_kv": 8,
}
CHATGLM3_6B = {
    "model_type": "chatglm",
    "hidden_size": 4096,
    "num_layers": 28,
    "num_attention_heads": 32,
    "kv_channels": 128,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
}
BAICHUAN2_13B = {
    "model_type": "baichuan",
    "hidden_size": 5120,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
}
STARCODER = {"model_type": "gpt_bigcode", "n_embd": 6144, "n_layer": 40, "n_head": 48, "multi_query": True}
GPTJ_6B = {"model_type": "gptj", "n_embd": 4096, "n_layer": 28, "n_head": 16}
MISTRAL_7B = {**LLAMA_3_8B, "model_type": "mistral", "sliding_window": 4096}
QWEN2_7B = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "sliding_window": 131072,
    "use_sliding_window": False,
}
GEMMA2_2B = {
    "model_type": "gemma2",
    "hidden_size": 2304,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "sliding_window": 4096,
}


@pytest.mark.parametrize(
    ("config", "expected", "two_byte_token"),
    [
        (LLAMA_3_8B, Attention(32, 32, 8, 128), 131072),
        (SMOLLM2_135M, Attention(30, 9, 3, 64), 23040),
        (FALCON_7B, Attention(32, 71, 1, 64), 8192),
        ({**FALCON_7B, "multi_query": False}, Attention(32, 71, 71, 64), 581632),
        (FALCON_40B, Attention(60, 128, 8, 64), 122880),
        (REFINED_WEB_40B, Attention(60, 128, 8, 64), 122880),
        (
            {**REFINED_WEB_40B, "model_type": "RefinedWebModel", "multi_query": True},
            Attention(60, 128, 1, 64),
            15360,
        ),
        (CHATGLM3_6B, Attention(28, 32, 2, 128), 28672),
        (BAICHUAN2_13B, Attention(40, 40, 40, 128), 819200),
        (STARCODER, Attention(40, 48, 1, 128), 20480),
        (GPTJ_6B, Attention(28, 16, 16, 256), 458752),
        (MISTRAL_7B, Attention(32, 32, 8, 128, window=4096), 131072),
        (QWEN2_7B, Attention(28, 28, 4, 128), 57344),
        (GEMMA2_2B, Attention(26, 8, 4, 256), 106496),
        ({"text_config": LLAMA_3_8B, "model_type": "llava"}, Attention(32, 32, 8, 128), 131072),
    ],
)
def test_known_models(config: dict[str, Any], expected: Attention, two_byte_token: int) -> None:
    """Figures by hand: keys and values, layers, KV heads, head size, two bytes."""
    found = sizes.attention(config)
    assert found == expected
    assert found.bytes_per_token(2) == two_byte_token


def test_a_config_that_does_not_say_enough_has_no_attention() -> None:
    assert sizes.attention({"model_type": "llama", "hidden_size": 8}) is None
    assert sizes.attention({"model_type": "x", "num_layers": 2, "n_head": True}) is None


@pytest.mark.parametrize("family", sorted(raw_families.CONFIGS))
def test_every_family_that_is_compiled_has_sizes(family: str, tmp_path: Path) -> None:
    found = sizes.of(raw_families.write(tmp_path, family))
    assert found.parameters is not None
    assert found.parameters * 2 < found.stored_bytes  # float16, and a header
    assert found.attention is not None
    assert found.context is not None
    assert 0 < found.vocabulary < found.parameters


def test_parameters_are_counted_over_all_files(tmp_path: Path) -> None:
    shapes = raw_checkpoints.llama_shapes(2)
    names = sorted(shapes)
    halves = ({n: shapes[n] for n in names[:7]}, {n: shapes[n] for n in names[7:]})
    raw_checkpoints.write(tmp_path, raw_checkpoints.LLAMA, *halves)
    found = sizes.of(checkpoint.read(tmp_path, "m"))
    layer = 2 * 8 + 2 * 64 + 2 * 32 + 3 * 16 * 8
    assert found.parameters == 2 * layer + 8 + 2 * 12 * 8
    assert found.vocabulary == 2 * 12 * 8
    assert not found.tied
    assert (found.hidden, found.context) == (8, 64)


def test_packed_weights_count_for_what_they_hold(tmp_path: Path) -> None:
    config = {**raw_checkpoints.LLAMA, "quantization_config": {"quant_method": "gptq", "bits": 4}}
    shapes = {
        "model.layers.0.q.qweight": (4, 32),
        "model.layers.0.q.scales": (1, 32),
        "model.norm.weight": (8,),
    }
    raw_checkpoints.write(tmp_path, config, shapes)
    assert sizes.of(checkpoint.read(tmp_path, "m")).parameters == 8 * 4 * 32 + 8


def test_pickled_weights_have_a_size_only(tmp_path: Path) -> None:
    raw_checkpoints.write(tmp_path, raw_checkpoints.LLAMA)
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(1000))
    found = sizes.of(checkpoint.read(tmp_path, "m"))
    assert (found.parameters, found.stored_bytes) == (None, 1000)


@pytest.mark.parametrize("name", ["model_max_length", "max_sequence_length"])
def test_the_context_of_models_without_positions(name: str, tmp_path: Path) -> None:
    config = {**raw_checkpoints.LLAMA, "max_position_embeddings": None, name: 4096}
    raw_checkpoints.write(tmp_path, config, raw_checkpoints.llama_shapes())
    assert sizes.of(checkpoint.read(tmp_path, "m")).context == 4096
