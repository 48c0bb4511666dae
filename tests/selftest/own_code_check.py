"""What test_own_code.py runs in a process of its own: the decoder against transformers' own architectures."""

from __future__ import annotations

import torch
from transformers import (
    GlmConfig,
    GlmForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from djl_trtllm.selftest import own_code
from djl_trtllm.selftest.shapes import SHAPES, VOCAB_SIZE

SIZES = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "rms_norm_eps": 1e-6,
    "pad_token_id": None,
    "tie_word_embeddings": False,
    "attn_implementation": "eager",
}
KNOWN = {
    "internlm": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, attention_bias=True)),
    "internlm2": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=4)),
    "baichuan": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "chatglm": lambda: GlmForCausalLM(
        GlmConfig(**SIZES, num_key_value_heads=4, head_dim=64, attention_bias=True, partial_rotary_factor=0.5)
    ),
    "qwen": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES, num_key_value_heads=8)),
}


def main() -> None:
    for family, make in KNOWN.items():
        torch.manual_seed(1)
        shape = SHAPES[family]
        cls = getattr(own_code, shape.architecture)
        own = cls(cls.config_class(**shape.config())).float().eval()
        known = make().float().eval()
        fill(known, own)
        ids = torch.randint(3, VOCAB_SIZE, (1, 33))
        with torch.inference_mode():
            gap = (own(ids).logits - known(ids).logits).abs().max()
        assert gap < 1e-3, f"{family}: {gap}"
        print(family, float(gap))


def fill(known: torch.nn.Module, own: own_code.Decoder) -> None:
    """Give `known` the weights of `own`."""
    layout, sizes = own.layout, own.sizes
    head = sizes.hidden // sizes.heads
    weights = dict(own.named_parameters())
    state = {
        "model.embed_tokens.weight": weights[layout.embed + ".weight"],
        "model.norm.weight": weights[layout.norm + ".weight"],
        "lm_head.weight": weights[layout.head + ".weight"],
    }
    for index in range(sizes.layers):
        old, new = layout.layer.format(index), f"model.layers.{index}."
        one = {"input_layernorm": layout.before, "post_attention_layernorm": layout.after}
        one |= {"self_attn.o_proj": layout.out, "mlp.down_proj": layout.down}
        parts = {new + name: [old + source] for name, source in one.items()}
        for name, sources in parts.items():
            state |= stacked(weights, name, sources)
        counts = [sizes.heads, sizes.kv_heads, sizes.kv_heads]
        for kind in ("weight", "bias"):
            fused = [
                weights[f"{old}{name}.{kind}"] for name in layout.qkv if f"{old}{name}.{kind}" in weights
            ]
            if fused:
                for name, rows in zip("qkv", split(torch.cat(fused), layout, counts, head), strict=True):
                    state[f"{new}self_attn.{name}_proj.{kind}"] = rows
        both = torch.cat([weights[f"{old}{name}.weight"] for name in layout.gate_up])
        if "model.layers.0.mlp.gate_up_proj.weight" in known.state_dict():
            state[f"{new}mlp.gate_up_proj.weight"] = both
        else:
            gate, up = both.chunk(2)
            state |= {f"{new}mlp.gate_proj.weight": gate, f"{new}mlp.up_proj.weight": up}
    missing, unexpected = known.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert all("rotary" in name for name in missing), missing


def stacked(weights: dict, name: str, sources: list[str]) -> dict:
    kinds = [kind for kind in ("weight", "bias") if f"{sources[0]}.{kind}" in weights]
    return {f"{name}.{kind}": torch.cat([weights[f"{s}.{kind}"] for s in sources]) for kind in kinds}


def split(rows: torch.Tensor, layout: own_code.Layout, counts: list[int], head: int) -> list[torch.Tensor]:
    if not layout.grouped:
        return list(rows.split([count * head for count in counts]))
    groups = rows.view(counts[1], counts[0] // counts[1] + 2, head, *rows.shape[1:])
    parts = groups.split([counts[0] // counts[1], 1, 1], dim=1)
    return [part.reshape(-1, *rows.shape[1:]) for part in parts]


if __name__ == "__main__":
    main()
