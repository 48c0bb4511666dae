"""InternLM2's fused q, k and v taken apart, against the view that the library's own script makes of them."""

from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.engines.trtllm import internlm2, weight_files
from djl_trtllm.errors import CompileError
from tests.support import raw_checkpoints
from tests.support.raw_checkpoints import INTERNLM2, internlm2_shapes


def converted(
    tmp_path: Path, shapes: dict[str, Any], **config: object
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors before and after, as type, shape and bytes."""
    source, target = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    source.write_bytes(raw_checkpoints.safetensors(shapes))
    made = internlm2.tensors_as_llama(weight_files.read(source), {**INTERNLM2, **config})
    weight_files.write(target, made)
    return raw_checkpoints.tensors(source), raw_checkpoints.tensors(target)


@pytest.mark.parametrize(("heads", "kv_heads"), [(6, 2), (4, 4), (4, 1)])
def test_the_parts_are_those_of_the_view(tmp_path: Path, heads: int, kv_heads: int) -> None:
    import numpy as np

    size, hidden = 4, 4 * heads
    name = "model.layers.7.attention.wqkv.weight"
    rows = kv_heads * (heads // kv_heads + 2) * size
    before, after = converted(
        tmp_path,
        {name: (rows, hidden)},
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        hidden_size=hidden,
    )
    view = np.frombuffer(before[name][2], np.uint16).reshape(kv_heads, heads // kv_heads + 2, size, hidden)
    expected = {"q": view[:, :-2], "k": view[:, -2], "v": view[:, -1]}
    for letter, part in expected.items():
        dtype, shape, data = after[f"model.layers.7.self_attn.{letter}_proj.weight"]
        assert (dtype, shape) == ("F16", (part.size // hidden, hidden))
        assert data == part.tobytes()
    assert len(after) == 3


def test_a_bias_is_taken_apart_like_the_rows(tmp_path: Path) -> None:
    name = "model.layers.0.attention.wqkv.bias"
    before, after = converted(tmp_path, {name: (40,)})
    data = before[name][2]
    groups = [
        data[: 5 * 8],
        data[5 * 8 :],
    ]  # two groups of three queries, a key and a value, of four F16 each
    assert after["model.layers.0.self_attn.q_proj.bias"][2] == b"".join(group[:24] for group in groups)
    assert after["model.layers.0.self_attn.k_proj.bias"][2] == b"".join(group[24:32] for group in groups)
    assert after["model.layers.0.self_attn.v_proj.bias"][1:] == (
        (8,),
        b"".join(group[32:] for group in groups),
    )


def test_every_other_weight_keeps_its_bytes_under_its_new_name(tmp_path: Path) -> None:
    before, after = converted(tmp_path, internlm2_shapes(layers=2))
    names = {
        "model.tok_embeddings.weight": "model.embed_tokens.weight",
        "model.layers.1.attention.wo.weight": "model.layers.1.self_attn.o_proj.weight",
        "model.layers.1.feed_forward.w1.weight": "model.layers.1.mlp.gate_proj.weight",
        "model.layers.1.feed_forward.w2.weight": "model.layers.1.mlp.down_proj.weight",
        "model.layers.1.feed_forward.w3.weight": "model.layers.1.mlp.up_proj.weight",
        "model.layers.1.attention_norm.weight": "model.layers.1.input_layernorm.weight",
        "model.layers.1.ffn_norm.weight": "model.layers.1.post_attention_layernorm.weight",
        "model.norm.weight": "model.norm.weight",
        "output.weight": "lm_head.weight",
    }
    assert {new: after[new] for new in names.values()} == {new: before[old] for old, new in names.items()}
    assert len(after) == 3 + 2 * 9


@pytest.mark.parametrize(
    ("shapes", "config", "words"),
    [
        (
            {"model.layers.0.attention.wq.weight": (4, 4)},
            {},
            r"attention\.wq\.weight is not one of an InternLM2",
        ),
        (
            {"model.layers.0.attention.wqkv.weight": (39, 24)},
            {},
            "39 rows; 6 heads, 2 key-value heads .* ask for 40",
        ),
        ({"model.layers.0.attention.wqkv.weight": (40, 24)}, {"hidden_size": None}, "says no hidden_size"),
    ],
)
def test_what_is_no_internlm2_is_refused(
    tmp_path: Path, shapes: dict[str, Any], config: dict[str, object], words: str
) -> None:
    with pytest.raises(CompileError, match=words):
        converted(tmp_path, shapes, **config)


def test_its_config_is_that_of_a_llama_without_code() -> None:
    made = internlm2.config_as_llama(
        {**INTERNLM2, "bias": True, "rope_scaling": {"type": "dynamic", "factor": 2.0}}
    )
    assert made["architectures"] == ["LlamaForCausalLM"]
    assert made["model_type"] == "llama"
    assert made["attention_bias"] is True
    assert made["rope_scaling"] == {"type": "dynamic", "factor": 2.0}
    assert not {"auto_map", "bias", "attn_implementation"} & made.keys()
