"""The tensors a family's conversion asks for, with the shapes it slices, `None` where any shape goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.contract.tensorrt_llm_stand_in.behaviours.hf_config import HfConfig

Wanted = Iterator[tuple[str, tuple[int, ...] | None]]


def llama(config: HfConfig) -> Wanted:
    """LLaMA, Mistral, Mixtral, InternLM, Qwen2 and 3, Phi-3's neighbours: separate q, k, v, and an own head."""
    hidden, vocab, size = config.fact("hidden"), config.fact("vocab"), config.head_size
    heads, kv_heads, width = config.fact("heads"), config.kv_heads, config.fact("intermediate")
    yield "model.embed_tokens.weight", (vocab, hidden)
    yield "model.norm.weight", (hidden,)
    experts = config.raw.get("num_local_experts") if config.type == "mixtral" else None
    for layer in range(config.fact("layers")):
        start = f"model.layers.{layer}"
        yield f"{start}.self_attn.q_proj.weight", (heads * size, hidden)
        yield f"{start}.self_attn.k_proj.weight", (kv_heads * size, hidden)
        yield f"{start}.self_attn.v_proj.weight", (kv_heads * size, hidden)
        yield f"{start}.self_attn.o_proj.weight", (hidden, heads * size)
        yield f"{start}.input_layernorm.weight", (hidden,)
        yield f"{start}.post_attention_layernorm.weight", (hidden,)
        if config.type in ("qwen2", "qwen2_moe"):
            yield f"{start}.self_attn.q_proj.bias", (heads * size,)
        if config.type in ("qwen3", "qwen3_moe"):
            yield f"{start}.self_attn.q_norm.weight", None
        if experts:
            yield f"{start}.block_sparse_moe.gate.weight", (experts, hidden)
            for expert in range(experts):
                yield f"{start}.block_sparse_moe.experts.{expert}.w1.weight", (width, hidden)
                yield f"{start}.block_sparse_moe.experts.{expert}.w2.weight", (hidden, width)
                yield f"{start}.block_sparse_moe.experts.{expert}.w3.weight", (width, hidden)
        elif config.type in ("qwen2_moe", "qwen3_moe"):
            yield f"{start}.mlp.gate.weight", None
            yield f"{start}.mlp.experts.0.gate_proj.weight", None
        else:
            yield f"{start}.mlp.gate_proj.weight", (width, hidden)
            yield f"{start}.mlp.up_proj.weight", (width, hidden)
            yield f"{start}.mlp.down_proj.weight", (hidden, width)


def falcon(config: HfConfig) -> Wanted:
    hidden, size = config.fact("hidden"), config.head_size
    queries = config.fact("heads") + 2 * config.kv_heads
    yield "transformer.word_embeddings.weight", (config.fact("vocab"), hidden)
    for layer in range(config.fact("layers")):
        start = f"transformer.h.{layer}"
        yield f"{start}.self_attention.query_key_value.weight", (queries * size, hidden)
        yield f"{start}.self_attention.dense.weight", (hidden, hidden)
        yield f"{start}.mlp.dense_h_to_4h.weight", None
        yield f"{start}.mlp.dense_4h_to_h.weight", None


def gptj(config: HfConfig) -> Wanted:
    hidden = config.fact("hidden")
    yield "transformer.wte.weight", (config.fact("vocab"), hidden)
    yield "lm_head.weight", (config.fact("vocab"), hidden)
    for layer in range(config.fact("layers")):
        start = f"transformer.h.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield f"{start}.attn.{part}.weight", (hidden, hidden)
        yield f"{start}.mlp.fc_in.weight", None
        yield f"{start}.mlp.fc_out.weight", None


def gpt2(config: HfConfig) -> Wanted:
    """GPT-2's Conv1D: inputs first."""
    hidden = config.fact("hidden")
    yield "transformer.wte.weight", (config.fact("vocab"), hidden)
    yield "transformer.wpe.weight", (config.fact("positions"), hidden)
    for layer in range(config.fact("layers")):
        yield f"transformer.h.{layer}.attn.c_attn.weight", (hidden, 3 * hidden)
        yield f"transformer.h.{layer}.mlp.c_fc.weight", None


def starcoder(config: HfConfig) -> Wanted:
    """GPTBigCode with one key and value head, which the variant takes for granted."""
    hidden = config.fact("hidden")
    yield "transformer.wte.weight", (config.fact("vocab"), hidden)
    yield "transformer.wpe.weight", (config.fact("positions"), hidden)
    for layer in range(config.fact("layers")):
        yield f"transformer.h.{layer}.attn.c_attn.weight", (hidden + 2 * config.head_size, hidden)
        yield f"transformer.h.{layer}.mlp.c_fc.weight", None


def santacoder(config: HfConfig) -> Wanted:
    """The layout of the original checkpoint, with queries apart from keys and values."""
    yield "transformer.wte.weight", (config.fact("vocab"), config.fact("hidden"))
    for layer in range(config.fact("layers")):
        yield f"transformer.h.{layer}.attn.q_attn.weight", None
        yield f"transformer.h.{layer}.attn.kv_attn.weight", None


def starcoder2(config: HfConfig) -> Wanted:
    hidden, size = config.fact("hidden"), config.head_size
    yield "model.embed_tokens.weight", (config.fact("vocab"), hidden)
    for layer in range(config.fact("layers")):
        start = f"model.layers.{layer}"
        yield f"{start}.self_attn.q_proj.weight", (config.fact("heads") * size, hidden)
        yield f"{start}.self_attn.k_proj.weight", (config.kv_heads * size, hidden)
        yield f"{start}.mlp.c_fc.weight", None
        yield f"{start}.mlp.c_proj.weight", None


def qwen(config: HfConfig) -> Wanted:
    """Qwen 1: one c_attn, and `intermediate_size` is twice the width of w1 and w2."""
    hidden, width = config.fact("hidden"), config.fact("intermediate") // 2
    yield "transformer.wte.weight", (config.fact("vocab"), hidden)
    yield "lm_head.weight", (config.fact("vocab"), hidden)
    for layer in range(config.fact("layers")):
        start = f"transformer.h.{layer}"
        yield f"{start}.attn.c_attn.weight", (3 * hidden, hidden)
        yield f"{start}.attn.c_proj.weight", (hidden, hidden)
        yield f"{start}.mlp.w1.weight", (width, hidden)
        yield f"{start}.mlp.w2.weight", (width, hidden)


def baichuan(config: HfConfig) -> Wanted:
    hidden, width = config.fact("hidden"), config.fact("intermediate")
    yield "model.embed_tokens.weight", (config.fact("vocab"), hidden)
    yield "lm_head.weight", (config.fact("vocab"), hidden)
    for layer in range(config.fact("layers")):
        start = f"model.layers.{layer}"
        yield f"{start}.self_attn.W_pack.weight", (3 * hidden, hidden)
        yield f"{start}.self_attn.o_proj.weight", (hidden, hidden)
        yield f"{start}.mlp.gate_proj.weight", (width, hidden)


def chatglm(config: HfConfig) -> Wanted:
    """ChatGLM2, ChatGLM3 and GLM-4."""
    hidden, size = config.fact("hidden"), config.head_size
    queries = config.fact("heads") + 2 * config.kv_heads
    yield "transformer.embedding.word_embeddings.weight", (config.fact("vocab"), hidden)
    yield "transformer.output_layer.weight", (config.fact("vocab"), hidden)
    for layer in range(config.fact("layers")):
        start = f"transformer.encoder.layers.{layer}"
        yield f"{start}.self_attention.query_key_value.weight", (queries * size, hidden)
        yield f"{start}.mlp.dense_h_to_4h.weight", None


def chatglm_6b(config: HfConfig) -> Wanted:
    """The first ChatGLM."""
    hidden = config.fact("hidden")
    yield "transformer.word_embeddings.weight", (config.fact("vocab"), hidden)
    for layer in range(config.fact("layers")):
        yield f"transformer.layers.{layer}.attention.query_key_value.weight", (3 * hidden, hidden)
        yield f"transformer.layers.{layer}.mlp.dense_h_to_4h.weight", None


def glm(config: HfConfig) -> Wanted:
    """GLM-10b."""
    hidden = config.fact("hidden")
    yield "word_embeddings.weight", (config.fact("vocab"), hidden)
    for layer in range(config.fact("layers")):
        yield f"transformer.layers.{layer}.attention.query_key_value.weight", (3 * hidden, hidden)


def anything(_config: HfConfig) -> Wanted:
    """Families of which the layout was not read."""
    yield from ()


BY_GPT_VARIANT: dict[str, Callable[[HfConfig], Wanted]] = {
    "gpt2": gpt2,
    "santacoder": santacoder,
    "starcoder": starcoder,
    "starcoder2": starcoder2,
}
BY_CHATGLM_VERSION: dict[str, Callable[[HfConfig], Wanted]] = {
    "glm4": chatglm,
    "chatglm3": chatglm,
    "chatglm2": chatglm,
    "chatglm": chatglm_6b,
    "glm": glm,
}
