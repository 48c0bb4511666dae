"""What each model class asks of a checkpoint and does with keywords, as `trtllm-run` found them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import layouts
from tests.contract.tensorrt_llm_stand_in.behaviours.hf_config import HfConfig
from tests.contract.tensorrt_llm_stand_in.behaviours.layouts import Wanted
from tests.contract.tensorrt_llm_stand_in.library import Library

Layout = Callable[[HfConfig], Wanted]

GPT_VARIANTS = ("starcoder2", "starcoder", "santacoder", "gpt2", "persimmon", "kosmos-2", "jais")
CHATGLM_VERSIONS = ("glm4", "chatglm3", "chatglm2", "chatglm", "glm")
BAICHUAN_ROPE = ("v1_7b", "v2_7b")
BAICHUAN_BY_SIZE = {
    (32, 64000): "v1_7b",
    (32, 125696): "v2_7b",
    (40, 64000): "v1_13b",
    (40, 125696): "v2_13b",
}
PATHS_THAT_TRIP_LLAMA = ("vila", "llava", "exaone")


@dataclass(frozen=True, slots=True)
class Family:
    """A model class.

    `taken` are the keywords it takes out for itself; `named` those it gives to its config already, so that a second
    one is a TypeError; `dropped` go nowhere. Every other keyword is set on the config. `through_transformers` is the
    last version (or True) that loads the whole model with transformers; `even_vocabulary` refuses one that tensor
    parallelism does not divide; `on_cpu_until` is the last version that takes `load_model_on_cpu`.
    """

    taken: frozenset[str] = frozenset({"trust_remote_code"})
    named: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    through_transformers: bool | tuple[int, int] = True
    even_vocabulary: bool = False
    asks_gpu_for_bfloat16: bool = False
    on_cpu_until: tuple[int, int] | None = None

    def takes(self, library: Library) -> frozenset[str]:
        """Return the keywords it takes out in this version."""
        if self.on_cpu_until is not None and library.minor <= self.on_cpu_until:
            return self.taken | {"load_model_on_cpu"}
        return self.taken

    def indexed(self, library: Library) -> bool:
        """Whether transformers reads the weights in this version."""
        through = self.through_transformers
        return through if isinstance(through, bool) else library.minor <= through


ON_CPU = frozenset({"trust_remote_code", "load_model_on_cpu"})
ROTARY = frozenset({"rotary_base", "rotary_scaling"})
FAMILIES: dict[str, Family] = {
    "LLaMAForCausalLM": Family(
        taken=ON_CPU | {"load_by_shard", "quant_ckpt_path", "use_autoawq"},
        named=ROTARY,
        through_transformers=False,
    ),
    "QWenForCausalLM": Family(taken=ON_CPU, named=ROTARY, through_transformers=(0, 13)),
    "GPTForCausalLM": Family(taken=ON_CPU | {"gpt_variant"}),
    "ChatGLMForCausalLM": Family(
        taken=ON_CPU | {"chatglm_version"},
        dropped=frozenset({"rotary_base", "rotary_scaling", "rotary_dim", "rope_ratio"}),
        even_vocabulary=True,
    ),
    "FalconForCausalLM": Family(
        taken=frozenset({"trust_remote_code", "load_by_shard"}),
        even_vocabulary=True,
        asks_gpu_for_bfloat16=True,
        on_cpu_until=(0, 13),
    ),
    "GPTJForCausalLM": Family(named=frozenset({"rotary_dim"}), even_vocabulary=True),
    "BaichuanForCausalLM": Family(
        taken=frozenset({"trust_remote_code", "model_version"}),
        even_vocabulary=True,
        asks_gpu_for_bfloat16=True,
    ),
}
OTHERS = Family()


def family_of(cls: str) -> Family:
    """Return the rules of a model class."""
    return FAMILIES.get(cls, OTHERS)


def gpt_variant(directory: str, given: Any) -> str:
    """Return the variant of a GPT checkpoint: the one given, or the first whose name is anywhere in the path."""
    variant = given if given is not None else next((v for v in GPT_VARIANTS if v in directory), None)
    assert variant in GPT_VARIANTS
    return str(variant)


def chatglm_version(directory: str, given: Any) -> str:
    """Return the version of a ChatGLM checkpoint: the one given, or the first whose name is in the path."""
    version = given if given is not None else next((v for v in CHATGLM_VERSIONS if v in directory), None)
    assert version in CHATGLM_VERSIONS
    return str(version)


def layout(cls: str, config: HfConfig, directory: str, keywords: dict[str, Any]) -> Layout:
    """Return which tensors a class asks for."""
    if cls in ("LLaMAForCausalLM", "MedusaForCausalLm"):
        return layouts.llama
    if cls == "QWenForCausalLM":
        return layouts.qwen if config.type == "qwen" else layouts.llama
    if cls == "GPTForCausalLM":
        return layouts.BY_GPT_VARIANT.get(
            gpt_variant(directory, keywords.get("gpt_variant")), layouts.anything
        )
    if cls == "ChatGLMForCausalLM":
        return layouts.BY_CHATGLM_VERSION[chatglm_version(directory, keywords.get("chatglm_version"))]
    known = {
        "FalconForCausalLM": layouts.falcon,
        "GPTJForCausalLM": layouts.gptj,
        "BaichuanForCausalLM": layouts.baichuan,
    }
    return known.get(cls, layouts.anything)


def positions(cls: str, config: HfConfig, directory: str, keywords: dict[str, Any]) -> str:
    """Return the position embedding that a class takes a checkpoint to have."""
    if cls == "BaichuanForCausalLM":
        sizes = (config.fact("heads"), config.fact("vocab"))
        version = keywords.get("model_version") or BAICHUAN_BY_SIZE.get(sizes)
        return "rope_gpt_neox" if version in BAICHUAN_ROPE else "alibi_with_scale"
    if cls == "GPTForCausalLM":
        variant = gpt_variant(directory, keywords.get("gpt_variant"))
        return "rope_gpt_neox" if variant in ("starcoder2", "persimmon") else "learned_absolute"
    if cls == "FalconForCausalLM":
        return "alibi_with_scale" if config.raw.get("alibi") else "rope_gpt_neox"
    if cls == "GPTJForCausalLM":
        return "rope_gptj"
    if cls == "ChatGLMForCausalLM":
        version = chatglm_version(directory, keywords.get("chatglm_version"))
        return {"chatglm": "chatglm", "glm": "learned_absolute"}.get(version, "rope_gptj")
    return "rope_gpt_neox"


def path_problem(cls: str, directory: str) -> None:
    """Fail where a word in the path makes the class take the checkpoint for another one."""
    trips = [word for word in PATHS_THAT_TRIP_LLAMA if word in directory]
    if cls == "LLaMAForCausalLM" and trips:
        raise ModuleNotFoundError(f"No module named {trips[0]!r}")


def is_directory(path: Any) -> Path:
    """Return a checkpoint's directory; a loaded model and the name of a model are refused, nothing is downloaded."""
    if not isinstance(path, str):
        raise TypeError(f"hf_model_or_dir must be the path of a directory, not {type(path).__name__}")
    if not Path(path).is_dir():
        raise OSError(f"{path} is not a local folder and is not a valid model identifier listed on the hub")
    return Path(path)
