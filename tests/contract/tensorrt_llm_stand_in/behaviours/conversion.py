"""From a Hugging Face directory to the config and the weights of one rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import families
from tests.contract.tensorrt_llm_stand_in.behaviours.hf_config import HfConfig
from tests.contract.tensorrt_llm_stand_in.behaviours.mapping import sizes_of
from tests.contract.tensorrt_llm_stand_in.behaviours.quant_config import algorithms, fields_of
from tests.contract.tensorrt_llm_stand_in.behaviours.rope import rope_problem
from tests.contract.tensorrt_llm_stand_in.behaviours.weights import Weights
from tests.contract.tensorrt_llm_stand_in.library import Library

CONFIG_FIELDS = frozenset(
    [
        "architecture",
        "dtype",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "vocab_size",
        "hidden_act",
        "norm_epsilon",
        "position_embedding_type",
        "max_position_embeddings",
        "num_key_value_heads",
        "intermediate_size",
        "mapping",
        "quantization",
        "head_size",
    ]
)
REMOTE = ("internlm", "internlm2", "baichuan", "chatglm", "qwen")
"""Model types of which transformers has no code of its own."""


@dataclass(frozen=True, slots=True)
class Converted:
    """The config, and what stands for the weights of the rank."""

    config: dict[str, Any]
    weights: Weights

    def digest(self, rank: int) -> str:
        return self.weights.digest(rank, self.config["mapping"]["world_size"])


def convert(
    library: Library,
    cls: str,
    directory: Any,
    dtype: str,
    mapping: Any,
    quant_config: Any,
    keywords: dict[str, Any],
) -> Converted:
    """Convert as `from_hugging_face` of class `cls` does, or fail as it fails."""
    path = families.is_directory(directory)
    families.path_problem(cls, directory)
    hf = HfConfig.of(path)
    known(hf, keywords.get("trust_remote_code", True))
    rope_problem(hf, library)
    config = config_of(library, cls, hf, directory, dtype, mapping, quant_config, dict(keywords))
    weights = Weights.of(path, indexed=families.family_of(cls).indexed(library))
    if not weights.pickled:
        fitting(cls, hf, weights, families.layout(cls, hf, directory, keywords), library)
    return Converted(config, weights)


def known(hf: HfConfig, trusted: Any) -> None:
    """Refuse an architecture that transformers has no code for, unless the checkpoint's own is trusted."""
    if hf.type in REMOTE and not trusted and "auto_map" in hf.raw:
        raise ValueError(
            "Loading this model requires you to execute the configuration file in that repo on your local machine. "
            "Please set the option `trust_remote_code=True` to remove this error."
        )
    if hf.type == "internlm2":
        raise KeyError("model.layers.0.self_attn.q_proj.weight")


def config_of(
    library: Library,
    cls: str,
    hf: HfConfig,
    directory: str,
    dtype: str,
    mapping: Any,
    quant_config: Any,
    keywords: dict[str, Any],
) -> dict[str, Any]:
    """Return the config that a class makes of a checkpoint and keywords."""
    family = families.family_of(cls)
    twice = sorted(set(keywords) & (CONFIG_FIELDS | family.named))
    if twice:
        raise TypeError(
            f"{cls.removesuffix('ForCausalLM')}Config() got multiple values for argument {twice[0]!r}"
        )
    sizes = sizes_of(mapping)
    found = hf.dtype(dtype)
    if family.asks_gpu_for_bfloat16 and found == "bfloat16" and library.knobs.gpu.count == 0:
        raise RuntimeError("Found no NVIDIA driver on your system")
    _parallel(family, hf, sizes)
    taken = family.takes(library)
    others = {k: v for k, v in keywords.items() if k not in taken and k not in family.dropped}
    raw = hf.raw
    rope = hf.type in ("falcon", "RefinedWeb", "RefinedWebModel", "baichuan")
    own = {
        "rotary_base": 10000.0 if rope else raw.get("rope_theta", raw.get("rotary_emb_base", 10000.0)),
        "rotary_scaling": None if rope else raw.get("rope_scaling"),
    }
    if "rotary_dim" in raw:
        own["rotary_dim"] = raw["rotary_dim"]
    if cls == "ChatGLMForCausalLM":
        own["chatglm_version"] = families.chatglm_version(directory, keywords.get("chatglm_version"))
        own["rope_ratio"] = raw.get("rope_ratio", 1.0)
    if cls == "GPTForCausalLM":
        own["gpt_variant"] = families.gpt_variant(directory, keywords.get("gpt_variant"))
    return {
        "architecture": hf.architecture,
        "dtype": found,
        "logits_dtype": "float32",
        "vocab_size": hf.fact("vocab"),
        "hidden_size": hf.fact("hidden"),
        "num_hidden_layers": hf.fact("layers"),
        "num_attention_heads": hf.fact("heads"),
        "num_key_value_heads": hf.kv_heads,
        "head_size": hf.head_size,
        "intermediate_size": hf.fact("intermediate"),
        "max_position_embeddings": hf.fact("positions"),
        "position_embedding_type": families.positions(cls, hf, directory, keywords),
        **own,
        "mapping": sizes,
        "quantization": {} if quant_config is None else fields_of(quant_config),
        **others,
    }


def fitting(cls: str, hf: HfConfig, weights: Weights, layout: families.Layout, library: Library) -> None:
    """Fail where a tensor that the conversion asks for is not there, or has another shape."""
    for name, shape in layout(hf):
        short = name.removeprefix("transformer.")
        tensor = weights.tensors.get(name) or weights.tensors.get(short)
        if tensor is None:
            raise KeyError(name)
        if shape is not None and tensor.shape != shape:
            raise RuntimeError(
                f"size mismatch for {name}: {tensor.shape} in the checkpoint, the model wants {shape}"
            )
    separate = cls == "LLaMAForCausalLM" or (cls == "QWenForCausalLM" and library.minor >= (0, 14))
    if separate and "lm_head.weight" not in weights.tensors:
        raise AttributeError("'NoneType' object has no attribute 'shape' (lm_head.weight)")
    if cls == "QWenForCausalLM" and not hf.tied and "lm_head.weight" not in weights.tensors:
        raise KeyError("lm_head.weight")


def quantised_here(quant_config: Any) -> None:
    """Fail for what `from_hugging_face` cannot do: no config at all, and algorithms that need a calibration."""
    if quant_config is None:
        raise AttributeError("'NoneType' object has no attribute 'quant_mode'")
    algorithm, cache = algorithms(quant_config)
    if (
        algorithm not in (None, "NO_QUANT", "W8A16", "W4A16", "FP8_PER_CHANNEL_PER_TOKEN")
        or cache is not None
    ):
        raise RuntimeError(
            "Required tensors missing: expected {'transformer.layers.0.attention.qkv.act_scale', ...}"
        )


def _parallel(family: families.Family, hf: HfConfig, sizes: dict[str, int]) -> None:
    tp, pp = sizes["tp_size"], sizes["pp_size"]
    if family.even_vocabulary and hf.fact("vocab") % tp:
        raise AssertionError(f"vocab_size {hf.fact('vocab')} % tp_size {tp} != 0")
    if hf.fact("heads") % tp or (hf.kv_heads % tp and tp % hf.kv_heads):
        raise AssertionError(
            f"num_attention_heads {hf.fact('heads')}, {hf.kv_heads} do not divide by tp_size {tp}"
        )
    if hf.fact("layers") % pp:
        raise AssertionError(
            f"num_layers {hf.fact('layers')} must be a multiple of pipeline parallelism size {pp}"
        )
