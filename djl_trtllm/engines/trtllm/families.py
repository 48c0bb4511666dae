"""The architectures that TensorRT-LLM compiles, and what its classes need beyond a directory.

What is said here was seen by running the library's own conversion code of 0.12 to 0.14 on small checkpoints, or read
in the release trees of 0.8.0 to 1.3.0rc3 (`MODEL_MAP`, and which class has a `from_hugging_face` of its own).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import UnsupportedModel

Minor = tuple[int, int]
"""A release as (major, minor)."""


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture.

    `map_key` is the key of `tensorrt_llm.models.MODEL_MAP` that gives its class, `since` the first release whose
    class converts a checkpoint by itself. `version_option` is the guide's option that says which member it is,
    `version_argument` the name under which `from_hugging_face` takes that. `rotary_base` is the key of config.json
    that holds the base, empty where the class ignores it; the same for `rotary_dim`. `stretches` means that
    rope_scaling reaches the engine. `divides_vocabulary`: the vocabulary must be a multiple of the tensor parallel
    degree. `positions` is the key of the length of a learned position table. `quantize` maps a value of the option
    quantize to the first release that can do it. `on_cpu` and `by_shard` say that the class knows the arguments
    load_model_on_cpu and load_by_shard; `code`: its checkpoints bring Python code that loading needs; `renamed`: it
    is built as a LLaMA from a checkpoint with renamed weights; `may_tie`: a tied output layer must be written out.
    """

    name: str
    title: str
    model_types: tuple[str, ...]
    architectures: tuple[str, ...]
    map_key: str
    since: Minor = (0, 12)
    llama: bool = False
    version_option: str = ""
    version_argument: str = ""
    rotary_base: str = ""
    rotary_dim: str = ""
    stretches: bool = False
    divides_vocabulary: bool = False
    positions: str = ""
    quantize: Mapping[str, Minor] = field(default_factory=dict)
    on_cpu: bool = False
    by_shard: Minor | None = None
    code: bool = False
    renamed: bool = False
    may_tie: bool = False

    def can_quantize(self, kind: str, release: Release) -> bool:
        """Whether this family can be compiled with `quantize=kind` on `release`."""
        since = self.quantize.get(kind)
        now = (release.major, release.minor)
        return since is not None and now >= max(since, self.since)


_Since = dict[str, Minor]
_WEIGHT_ONLY: _Since = {"int8": (0, 12), "int4": (0, 12)}
# LLaMA's own quantize is there from 0.9 on, but takes the name of a calibration set only from 0.10 on; before that it
# would download one. from_hugging_face takes quant_config from 0.11 on.
_LLAMA: _Since = {"smoothquant": (0, 10), "awq": (0, 10), "fp8": (0, 10), "int8": (0, 11), "int4": (0, 11)}
_SMOOTH: _Since = {"smoothquant": (0, 12)} | _WEIGHT_ONLY
_FP8: _Since = {"fp8": (0, 12)} | _WEIGHT_ONLY
_MODELOPT: _Since = {"awq": (0, 12)} | _FP8
_ALL: _Since = _SMOOTH | _MODELOPT

# Rows read best as a table.
# fmt: off
FAMILIES: Sequence[Family] = (
    Family("llama", "LLaMA", ("llama",), ("LlamaForCausalLM",), "LlamaForCausalLM", since=(0, 8), llama=True,
        rotary_base="rope_theta", stretches=True, quantize=_LLAMA, on_cpu=True, by_shard=(0, 9), may_tie=True),
    Family("mistral", "Mistral", ("mistral",), ("MistralForCausalLM",), "MistralForCausalLM", since=(0, 8), llama=True,
        rotary_base="rope_theta", stretches=True, quantize=_LLAMA, on_cpu=True, by_shard=(0, 9), may_tie=True),
    Family("mixtral", "Mixtral", ("mixtral",), ("MixtralForCausalLM",), "MixtralForCausalLM", llama=True,
        rotary_base="rope_theta", stretches=True, quantize=_MODELOPT, on_cpu=True, by_shard=(0, 12), may_tie=True),
    Family("internlm", "InternLM", ("internlm",), ("InternLMForCausalLM",), "InternLMForCausalLM", llama=True,
        rotary_base="rope_theta", stretches=True, quantize=_SMOOTH, on_cpu=True, by_shard=(0, 12), code=True,
        may_tie=True),
    Family("internlm2", "InternLM2", ("internlm2",), ("InternLM2ForCausalLM",), "LlamaForCausalLM", llama=True,
        rotary_base="rope_theta", stretches=True, quantize=_WEIGHT_ONLY, on_cpu=True, by_shard=(0, 12), renamed=True,
        may_tie=True),
    Family("falcon", "Falcon", ("falcon", "RefinedWeb", "RefinedWebModel"), ("FalconForCausalLM", "RWForCausalLM"),
        "FalconForCausalLM", divides_vocabulary=True, quantize=_FP8, on_cpu=True, by_shard=(0, 14)),
    Family("baichuan", "Baichuan", ("baichuan",), ("BaichuanForCausalLM", "BaiChuanForCausalLM"),
        "BaichuanForCausalLM", version_option="baichuan_model_version", version_argument="model_version",
        divides_vocabulary=True, quantize=_ALL, code=True),
    Family("chatglm", "ChatGLM", ("chatglm",), ("ChatGLMModel", "ChatGLMForConditionalGeneration"), "ChatGLMModel",
        version_option="chatglm_model_version", version_argument="chatglm_version", rotary_base="rope_ratio",
        divides_vocabulary=True, quantize=_WEIGHT_ONLY, on_cpu=True, code=True),
    Family("glm", "GLM", ("glm",), ("GLMModel",), "GLMModel", version_option="chatglm_model_version",
        version_argument="chatglm_version", divides_vocabulary=True, quantize=_WEIGHT_ONLY, on_cpu=True, code=True),
    Family("gptj", "GPT-J", ("gptj",), ("GPTJForCausalLM",), "GPTJForCausalLM", rotary_dim="rotary_dim",
        divides_vocabulary=True, quantize=_ALL),
    Family("qwen", "Qwen", ("qwen",), ("QWenLMHeadModel",), "QWenLMHeadModel", rotary_base="rotary_emb_base",
        stretches=True, quantize=_ALL, on_cpu=True, code=True),
    Family("qwen2", "Qwen 2", ("qwen2",), ("Qwen2ForCausalLM",), "Qwen2ForCausalLM", rotary_base="rope_theta",
        stretches=True, quantize=_ALL, on_cpu=True, may_tie=True),
    Family("qwen2_moe", "Qwen 2 MoE", ("qwen2_moe",), ("Qwen2MoeForCausalLM",), "Qwen2MoeForCausalLM",
        rotary_base="rope_theta", stretches=True, quantize=_WEIGHT_ONLY, on_cpu=True, may_tie=True),
    Family("qwen3", "Qwen 3", ("qwen3",), ("Qwen3ForCausalLM",), "Qwen3ForCausalLM", since=(0, 21),
        rotary_base="rope_theta", stretches=True, quantize=_WEIGHT_ONLY, on_cpu=True, may_tie=True),
    Family("qwen3_moe", "Qwen 3 MoE", ("qwen3_moe",), ("Qwen3MoeForCausalLM",), "Qwen3MoeForCausalLM", since=(1, 0),
        rotary_base="rope_theta", stretches=True, quantize=_WEIGHT_ONLY, on_cpu=True, may_tie=True),
    Family("gpt2", "GPT-2", ("gpt2",), ("GPT2LMHeadModel",), "GPT2LMHeadModel", version_option="gpt_model_version",
        version_argument="gpt_variant", positions="n_positions", quantize=_SMOOTH, on_cpu=True),
    Family("santacoder", "SantaCoder", (), ("GPT2LMHeadCustomModel",), "GPT2LMHeadCustomModel",
        version_option="gpt_model_version", version_argument="gpt_variant", positions="n_positions",
        quantize=_WEIGHT_ONLY, on_cpu=True, code=True),
    Family("starcoder", "StarCoder", ("gpt_bigcode",), ("GPTBigCodeForCausalLM",), "GPTBigCodeForCausalLM",
        version_option="gpt_model_version", version_argument="gpt_variant", positions="n_positions",
        quantize=_WEIGHT_ONLY, on_cpu=True),
    Family("starcoder2", "StarCoder 2", ("starcoder2",), ("Starcoder2ForCausalLM",), "Starcoder2ForCausalLM",
        version_option="gpt_model_version", version_argument="gpt_variant", quantize=_WEIGHT_ONLY, on_cpu=True),
    Family("phi", "Phi", ("phi",), ("PhiForCausalLM",), "PhiForCausalLM", quantize=_WEIGHT_ONLY),
    Family("phi3", "Phi-3", ("phi3",), ("Phi3ForCausalLM",), "Phi3ForCausalLM", quantize=_WEIGHT_ONLY),
    Family("gemma", "Gemma", ("gemma",), ("GemmaForCausalLM",), "GemmaForCausalLM", since=(0, 9), quantize=_FP8,
        on_cpu=True),
    Family("gemma2", "Gemma 2", ("gemma2",), ("Gemma2ForCausalLM",), "Gemma2ForCausalLM", quantize=_WEIGHT_ONLY,
        on_cpu=True),
)
# fmt: on

_BY_ARCHITECTURE: Mapping[str, Family] = {name: kind for kind in FAMILIES for name in kind.architectures}
_BY_TYPE: Mapping[str, Family] = {name: kind for kind in FAMILIES for name in kind.model_types}


def family(checkpoint: Checkpoint) -> Family:
    """Return the family of a checkpoint: by its architecture, or by its type where it names none.

    Raises `UnsupportedModel`, naming what it is and what is the nearest, for every other.
    """
    names = checkpoint.config.get("architectures")
    architecture = names[0] if isinstance(names, list) and names else None
    said = str(architecture or checkpoint.model_type)
    choices = _BY_TYPE if architecture is None else _BY_ARCHITECTURE
    known = choices.get(said)
    if known is not None:
        return known
    close = difflib.get_close_matches(said, choices, n=1, cutoff=0.6)
    hint = f" The nearest is {close[0]}, which is another architecture." if close else ""
    raise UnsupportedModel(
        f"{checkpoint.origin} is a model of type {checkpoint.model_type!r} ({said}), which is not compiled by"
        f" this version.{hint} Compiled are: {', '.join(kind.title for kind in FAMILIES)}."
        " An engine that was built elsewhere can be served from its directory."
    )
