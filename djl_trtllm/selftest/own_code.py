"""Architectures whose real checkpoints bring their own Python: this file goes into the tiny ones in its place.

One plain decoder (RMS norms, rotary positions, a gated MLP) under the parameter names of four families, as their
published checkpoints have them, so that a converter finds what it looks for. It imports nothing of djl_trtllm, and
only what transformers has had since 4.38.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


@dataclass(frozen=True)
class Layout:
    """Parameter names. Matrices of several names lie one below the other, as if they were one.

    `rotary` is the share of a head that is rotated, pairs of it lie side by side when `interleaved`. `grouped`: the
    rows for queries, key and value of one group of heads lie together, group after group.
    """

    embed: str
    layer: str
    norm: str
    head: str
    before: str
    qkv: Sequence[str]
    out: str
    after: str
    gate_up: Sequence[str]
    down: str
    qkv_bias: bool = False
    out_bias: bool = False
    rotary: float = 1.0
    interleaved: bool = False
    grouped: bool = False


@dataclass(frozen=True)
class Sizes:
    """The numbers of one model, whatever its config.json calls them."""

    vocab: int
    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    epsilon: float
    spread: float


LLAMA_QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
INTERNLM = Layout(
    embed="model.embed_tokens",
    layer="model.layers.{}.",
    norm="model.norm",
    head="lm_head",
    before="input_layernorm",
    qkv=LLAMA_QKV,
    out="self_attn.o_proj",
    after="post_attention_layernorm",
    gate_up=("mlp.gate_proj", "mlp.up_proj"),
    down="mlp.down_proj",
    qkv_bias=True,
    out_bias=True,
)
BAICHUAN = Layout(
    embed="model.embed_tokens",
    layer="model.layers.{}.",
    norm="model.norm",
    head="lm_head",
    before="input_layernorm",
    qkv=("self_attn.W_pack",),
    out="self_attn.o_proj",
    after="post_attention_layernorm",
    gate_up=("mlp.gate_proj", "mlp.up_proj"),
    down="mlp.down_proj",
)
INTERNLM2 = Layout(
    embed="model.tok_embeddings",
    layer="model.layers.{}.",
    norm="model.norm",
    head="output",
    before="attention_norm",
    qkv=("attention.wqkv",),
    out="attention.wo",
    after="ffn_norm",
    gate_up=("feed_forward.w1", "feed_forward.w3"),
    down="feed_forward.w2",
    grouped=True,
)
CHATGLM = Layout(
    embed="transformer.embedding.word_embeddings",
    layer="transformer.encoder.layers.{}.",
    norm="transformer.encoder.final_layernorm",
    head="transformer.output_layer",
    before="input_layernorm",
    qkv=("self_attention.query_key_value",),
    out="self_attention.dense",
    after="post_attention_layernorm",
    gate_up=("mlp.dense_h_to_4h",),
    down="mlp.dense_4h_to_h",
    qkv_bias=True,
    rotary=0.5,
    interleaved=True,
)
QWEN = Layout(
    embed="transformer.wte",
    layer="transformer.h.{}.",
    norm="transformer.ln_f",
    head="lm_head",
    before="ln_1",
    qkv=("attn.c_attn",),
    out="attn.c_proj",
    after="ln_2",
    gate_up=("mlp.w2", "mlp.w1"),
    down="mlp.c_proj",
    qkv_bias=True,
)


class InternLMForCausalLMConfig(PretrainedConfig):  # type: ignore[misc]
    """InternLM's."""

    model_type = "internlm"


class InternLM2ForCausalLMConfig(PretrainedConfig):  # type: ignore[misc]
    """InternLM2's."""

    model_type = "internlm2"


class BaichuanForCausalLMConfig(PretrainedConfig):  # type: ignore[misc]
    """Baichuan's."""

    model_type = "baichuan"


class ChatGLMModelConfig(PretrainedConfig):  # type: ignore[misc]
    """ChatGLM's."""

    model_type = "chatglm"


class QWenLMHeadModelConfig(PretrainedConfig):  # type: ignore[misc]
    """QWen's."""

    model_type = "qwen"


class Decoder(PreTrainedModel):  # type: ignore[misc]
    """The decoder of any layout."""

    layout: Layout
    base_model_prefix = ""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.sizes = sizes = sizes_of(config)
        layout, wide, head = self.layout, sizes.hidden, sizes.hidden // sizes.heads
        self._plant(layout.embed, sizes.vocab, wide)
        for index in range(sizes.layers):
            prefix = layout.layer.format(index)
            self._plant(prefix + layout.before, wide)
            rows = (wide, sizes.kv_heads * head, sizes.kv_heads * head)
            self._stack(prefix, layout.qkv, rows, wide, layout.qkv_bias)
            self._plant(prefix + layout.out, wide, wide, bias=layout.out_bias)
            self._plant(prefix + layout.after, wide)
            self._stack(prefix, layout.gate_up, (sizes.inner, sizes.inner), wide, False)
            self._plant(prefix + layout.down, wide, sizes.inner)
        self._plant(layout.norm, wide)
        self._plant(layout.head, sizes.vocab, wide)
        self.post_init()

    def _stack(self, prefix: str, names: Sequence[str], rows: Sequence[int], wide: int, bias: bool) -> None:
        parts = rows if len(names) > 1 else (sum(rows),)
        for name, count in zip(names, parts, strict=True):
            self._plant(prefix + name, count, wide, bias=bias)

    def _plant(self, name: str, *shape: int, bias: bool = False) -> None:
        node: torch.nn.Module = self
        for part in name.split("."):
            if not hasattr(node, part):
                node.add_module(part, torch.nn.Module())
            node = getattr(node, part)
        spread = self.sizes.spread
        weight = torch.ones(shape) if len(shape) == 1 else torch.randn(shape) * spread
        node.register_parameter("weight", torch.nn.Parameter(weight))
        if bias:
            node.register_parameter("bias", torch.nn.Parameter(torch.randn(shape[0]) * spread))

    def _init_weights(self, module: torch.nn.Module) -> None:
        """Leave parameters as they were planted."""

    def forward(self, input_ids: torch.Tensor, **_: Any) -> CausalLMOutput:
        """Return the logits of every position; [batch, length] ids in, [batch, length, vocabulary] out."""
        layout, sizes, weights = self.layout, self.sizes, dict(self.named_parameters())

        def linear(x: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
            parts = [
                functional.linear(x, weights[name + ".weight"], weights.get(name + ".bias")) for name in names
            ]
            return torch.cat(parts, dim=-1)

        def norm(x: torch.Tensor, name: str) -> torch.Tensor:
            scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + sizes.epsilon)
            return x * scale * weights[name + ".weight"]

        x = weights[layout.embed + ".weight"][input_ids]
        for index in range(sizes.layers):
            prefix = layout.layer.format(index)
            qkv = linear(norm(x, prefix + layout.before), [prefix + name for name in layout.qkv])
            x = x + linear(self._attention(qkv), [prefix + layout.out])
            both = linear(norm(x, prefix + layout.after), [prefix + name for name in layout.gate_up])
            gate, up = both.chunk(2, dim=-1)
            x = x + linear(functional.silu(gate) * up, [prefix + layout.down])
        return CausalLMOutput(logits=linear(norm(x, layout.norm), [layout.head]))

    def _attention(self, qkv: torch.Tensor) -> torch.Tensor:
        sizes = self.sizes
        batch, length, _ = qkv.shape
        head = sizes.hidden // sizes.heads
        if self.layout.grouped:
            groups = qkv.view(batch, length, sizes.kv_heads, sizes.heads // sizes.kv_heads + 2, head)
            parts = groups.split([sizes.heads // sizes.kv_heads, 1, 1], dim=3)
            qkv = torch.cat([part.flatten(2) for part in parts], dim=-1)
        counts = (sizes.heads, sizes.kv_heads, sizes.kv_heads)
        q, k, v = (
            part.view(batch, length, count, head).transpose(1, 2)
            for part, count in zip(qkv.split([count * head for count in counts], dim=-1), counts, strict=True)
        )
        q, k = self._rotate(q), self._rotate(k)
        groups = sizes.heads // sizes.kv_heads
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        scores = q @ k.transpose(-1, -2) / head**0.5
        mask = torch.ones(length, length, dtype=torch.bool).tril()
        weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
        return (weights @ v).transpose(1, 2).reshape(batch, length, sizes.hidden)

    def _rotate(self, x: torch.Tensor) -> torch.Tensor:
        width = int(x.shape[-1] * self.layout.rotary)
        positions = torch.arange(x.shape[2])[:, None]
        angles = positions * 10000.0 ** (-torch.arange(0, width, 2) / width)
        cos, sin = angles.cos(), angles.sin()
        turned, rest = x[..., :width], x[..., width:]
        if self.layout.interleaved:
            a, b = turned[..., 0::2], turned[..., 1::2]
            pairs = torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)
        else:
            a, b = turned.chunk(2, dim=-1)
            pairs = torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)
        return torch.cat((pairs, rest), dim=-1)


class InternLMForCausalLM(Decoder):
    """InternLM: LLaMA with biases in attention."""

    config_class = InternLMForCausalLMConfig
    layout = INTERNLM


class InternLM2ForCausalLM(Decoder):
    """InternLM 2: grouped queries, and one matrix for queries, keys and values group by group."""

    config_class = InternLM2ForCausalLMConfig
    layout = INTERNLM2


class BaichuanForCausalLM(Decoder):
    """Baichuan 7B: LLaMA with one matrix for queries, keys and values."""

    config_class = BaichuanForCausalLMConfig
    layout = BAICHUAN


class ChatGLMModel(Decoder):
    """ChatGLM 2 and 3."""

    config_class = ChatGLMModelConfig
    layout = CHATGLM


class QWenLMHeadModel(Decoder):
    """Qwen 1."""

    config_class = QWenLMHeadModelConfig
    layout = QWEN


def sizes_of(config: Any) -> Sizes:
    """Read the numbers under the names that each family gives them."""
    if config.model_type == "chatglm":
        return Sizes(
            vocab=config.padded_vocab_size,
            hidden=config.hidden_size,
            inner=config.ffn_hidden_size,
            layers=config.num_layers,
            heads=config.num_attention_heads,
            kv_heads=config.multi_query_group_num,
            epsilon=config.layernorm_epsilon,
            spread=config.initializer_range,
        )
    qwen = config.model_type == "qwen"
    return Sizes(
        vocab=config.vocab_size,
        hidden=config.hidden_size,
        inner=config.intermediate_size // 2 if qwen else config.intermediate_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        kv_heads=getattr(config, "num_key_value_heads", config.num_attention_heads),
        epsilon=config.layer_norm_epsilon if qwen else config.rms_norm_eps,
        spread=config.initializer_range,
    )
