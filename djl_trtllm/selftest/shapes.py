"""The tiny checkpoint of each family: a config.json that real kernels take.

Heads of 64, widths that groups of 128 weights and a tensor parallel degree of 4 divide (a row-parallel layer has
512 / 4 = 128 inputs on each rank), a vocabulary of 768 = 4 x 192, so that no rank pads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CODE_FILE = "modeling_tiny.py"
"""What own_code.py is called inside a checkpoint."""

VOCAB_SIZE = 768
POSITIONS = 512
LONGEST_INPUT = 128
LONGEST_OUTPUT = 128

_INIT = {"initializer_range": 0.08}
_SIZES: Mapping[str, object] = {
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "max_position_embeddings": POSITIONS,
    "tie_word_embeddings": False,
    **_INIT,
}
_GROUPED = {**_SIZES, "num_key_value_heads": 4}
_GPT: Mapping[str, object] = {"n_embd": 512, "n_layer": 2, "n_head": 8, "n_positions": POSITIONS, **_INIT}
_FALCON = {key: value for key, value in _SIZES.items() if key != "intermediate_size"}
_OWN = {**_SIZES, "rms_norm_eps": 1e-6, "hidden_act": "silu", "use_cache": True}


@dataclass(frozen=True, slots=True)
class Shape:
    """How to make a family's checkpoint.

    `sizes` are keys of config.json. `own_code`: the architecture is Python code in real checkpoints of the family,
    so this one brings code too, and needs trust_remote_code. `options` are option values that such a model needs.
    """

    model_type: str
    architecture: str
    sizes: Mapping[str, object]
    metaspace: bool = False
    own_code: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    def config(self) -> dict[str, object]:
        """Return what decides whether a runtime takes the checkpoint, as config.json says it."""
        config = {
            "architectures": [self.architecture],
            "model_type": self.model_type,
            "vocab_size": VOCAB_SIZE,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            **self.sizes,
        }
        if self.own_code:
            module = CODE_FILE.removesuffix(".py")
            model = f"{module}.{self.architecture}"
            config["auto_map"] = {
                "AutoConfig": f"{module}.{self.architecture}Config",
                "AutoModel": model,
                "AutoModelForCausalLM": model,
            }
        return config


_ALL = (
    Shape("llama", "LlamaForCausalLM", _GROUPED, metaspace=True),
    Shape("mistral", "MistralForCausalLM", {**_GROUPED, "sliding_window": None}, metaspace=True),
    Shape(
        "mixtral",
        "MixtralForCausalLM",
        {**_GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None},
        metaspace=True,
    ),
    Shape("qwen2", "Qwen2ForCausalLM", _GROUPED),
    Shape("qwen3", "Qwen3ForCausalLM", {**_GROUPED, "head_dim": 64}),
    Shape(
        "qwen2_moe",
        "Qwen2MoeForCausalLM",
        {
            **_GROUPED,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 512,
            "shared_expert_intermediate_size": 512,
        },
    ),
    Shape(
        "qwen3_moe",
        "Qwen3MoeForCausalLM",
        {
            **_GROUPED,
            "head_dim": 64,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 512,
        },
    ),
    Shape("gpt2", "GPT2LMHeadModel", _GPT, options={"gpt_model_version": "gpt2"}),
    Shape("gpt_bigcode", "GPTBigCodeForCausalLM", _GPT, options={"gpt_model_version": "starcoder"}),
    Shape("gptj", "GPTJForCausalLM", {**_GPT, "rotary_dim": 32, "tie_word_embeddings": False}),
    Shape(
        "falcon",
        "FalconForCausalLM",
        {**_FALCON, "num_kv_heads": 4, "new_decoder_architecture": True, "alibi": False, "bias": False},
    ),
    Shape("starcoder2", "Starcoder2ForCausalLM", {**_GROUPED, "sliding_window": None}),
    Shape("phi", "PhiForCausalLM", _SIZES),
    Shape(
        "phi3",
        "Phi3ForCausalLM",
        {**_GROUPED, "original_max_position_embeddings": POSITIONS, "sliding_window": None},
    ),
    Shape("gemma", "GemmaForCausalLM", {**_GROUPED, "head_dim": 64, "tie_word_embeddings": True}),
    Shape(
        "gemma2",
        "Gemma2ForCausalLM",
        {**_GROUPED, "head_dim": 64, "query_pre_attn_scalar": 64, "tie_word_embeddings": True},
    ),
    Shape(
        "opt",
        "OPTForCausalLM",
        {**_FALCON, "ffn_dim": 1024, "word_embed_proj_dim": 512, "init_std": 0.08},
    ),
    Shape("gpt_neox", "GPTNeoXForCausalLM", _SIZES),
    Shape("glm4", "Glm4ForCausalLM", {**_GROUPED, "head_dim": 64}),
    Shape("internlm", "InternLMForCausalLM", {**_OWN, "bias": True}, metaspace=True, own_code=True),
    Shape(
        "internlm2",
        "InternLM2ForCausalLM",
        {**_OWN, "num_key_value_heads": 4, "bias": False},
        metaspace=True,
        own_code=True,
    ),
    Shape(
        "baichuan",
        "BaichuanForCausalLM",
        _OWN,
        metaspace=True,
        own_code=True,
        options={"baichuan_model_version": "v1_7b"},
    ),
    Shape(
        "chatglm",
        "ChatGLMModel",
        {
            **_INIT,
            "hidden_size": 512,
            "ffn_hidden_size": 1024,
            "num_layers": 2,
            "num_attention_heads": 8,
            "kv_channels": 64,
            "multi_query_attention": True,
            "multi_query_group_num": 4,
            "padded_vocab_size": VOCAB_SIZE,
            "seq_length": POSITIONS,
            "layernorm_epsilon": 1e-6,
            "rmsnorm": True,
            "post_layer_norm": True,
            "add_bias_linear": False,
            "add_qkv_bias": True,
            "apply_query_key_layer_scaling": True,
            "apply_residual_connection_post_layernorm": False,
            "attention_softmax_in_fp32": True,
            "fp32_residual_connection": False,
            "original_rope": True,
            "tie_word_embeddings": False,
        },
        own_code=True,
        options={"chatglm_model_version": "chatglm3_6b"},
    ),
    Shape(
        "qwen",
        "QWenLMHeadModel",
        {
            **_SIZES,
            "intermediate_size": 2048,
            "kv_channels": 64,
            "layer_norm_epsilon": 1e-6,
            "no_bias": True,
            "rotary_emb_base": 10000,
            "rotary_pct": 1.0,
            "scale_attn_weights": True,
            "seq_length": POSITIONS,
            "use_dynamic_ntk": False,
            "use_logn_attn": False,
        },
        own_code=True,
    ),
)

SHAPES: Mapping[str, Shape] = {shape.model_type: shape for shape in _ALL}
