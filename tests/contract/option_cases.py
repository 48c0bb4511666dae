"""What every option must come to, by release and architecture: written by hand, from the guide and the signatures.

The second opinion that `test_trtllm_options.py` holds the package's own map against; nothing here comes from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ORDER = (
    "0.8.0", "0.9.0", "0.10.0", "0.11.0", "0.12.0", "0.12a~", "0.12b~", "0.13.0", "0.14.0~", "0.14.0", "0.15.0",
    "0.16.0", "0.17~", "0.21~", "1.0~", "1.2~", "1.3.0rc3", "1.3-main-after-2026-07",
)  # fmt: skip
"""Rows of the contract, oldest first."""

ENGINES = ORDER[:-2]
"""The rows that can build and run engines."""

PYTORCH = ("1.0~", "1.2~", "1.3.0rc3", "1.3-main-after-2026-07")


def span(first: str, last: str) -> frozenset[str]:
    """Rows from one to another, both included."""
    return frozenset(ORDER[ORDER.index(first) : ORDER.index(last) + 1])


ALL = frozenset(ENGINES)
GPT_MANAGER, EXECUTOR = frozenset(("0.8.0",)), span("0.9.0", "1.2~")


@dataclass(frozen=True, slots=True)
class Got:
    """Arguments that the library must have been given, as `Place.argument`; `absent` must not have been."""

    values: Mapping[str, object] = field(default_factory=dict)
    absent: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """The one line that must be said of the option, and what must not be passed."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)
    absent: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The one sentence that refuses it."""

    text: str


Outcome = Got | Said | Refused


def got(**values: object) -> Got:
    """Arguments by `Place__argument`."""
    return Got({name.replace("__", "."): value for name, value in values.items()})


@dataclass(frozen=True, slots=True)
class Case:
    """Options as they are set, and what must come of them: the first rule whose rows and families fit holds."""

    settings: Mapping[str, str]
    rules: Sequence[tuple[frozenset[str], frozenset[str] | None, Outcome]]
    ranks: int = 1
    families: frozenset[str] = frozenset()

    @property
    def option(self) -> str:
        """The option that the case is about."""
        return next(iter(self.settings))


FAMILIES: Mapping[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "rope_theta": 500000.0},
    "mistral": {"model_type": "mistral", "architectures": ["MistralForCausalLM"]},
    "mixtral": {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"]},
    "internlm": {"model_type": "internlm", "architectures": ["InternLMForCausalLM"]},
    "internlm2": {"model_type": "internlm2", "architectures": ["InternLM2ForCausalLM"]},
    "falcon": {"model_type": "falcon", "architectures": ["FalconForCausalLM"]},
    "falcon-rw": {"model_type": "RefinedWeb", "architectures": ["RWForCausalLM"]},
    "baichuan-7b": {
        "model_type": "baichuan", "architectures": ["BaiChuanForCausalLM"], "vocab_size": 64000,
        "num_attention_heads": 32, "hidden_size": 4096,
    },
    "baichuan2-13b": {
        "model_type": "baichuan", "architectures": ["BaichuanForCausalLM"], "vocab_size": 125696,
        "num_attention_heads": 40, "hidden_size": 5120,
    },
    "chatglm": {"model_type": "chatglm", "architectures": ["ChatGLMModel"], "inner_hidden_size": 16384},
    "chatglm2": {
        "model_type": "chatglm", "architectures": ["ChatGLMModel"], "padded_vocab_size": 65024,
        "multi_query_attention": True, "_name_or_path": "THUDM/chatglm2-6b",
    },
    "chatglm3": {
        "model_type": "chatglm", "architectures": ["ChatGLMForConditionalGeneration"], "padded_vocab_size": 65024,
        "multi_query_attention": True, "_name_or_path": "THUDM/chatglm3-6b-32k",
    },
    "glm-10b": {"model_type": "glm", "architectures": ["GLMModel"]},
    "gptj": {"model_type": "gptj", "architectures": ["GPTJForCausalLM"], "rotary_dim": 64},
    "qwen": {"model_type": "qwen", "architectures": ["QWenLMHeadModel"]},
    "qwen2": {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
    "qwen2_moe": {"model_type": "qwen2_moe", "architectures": ["Qwen2MoeForCausalLM"]},
    "qwen3": {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]},
    "qwen3_moe": {"model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"]},
    "gpt2": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_positions": 8192},
    "santacoder": {"model_type": "gpt2", "architectures": ["GPT2LMHeadCustomModel"], "n_positions": 8192},
    "starcoder": {
        "model_type": "gpt_bigcode", "architectures": ["GPTBigCodeForCausalLM"], "multi_query": True,
        "n_positions": 8192,
    },
    "starcoder2": {"model_type": "starcoder2", "architectures": ["Starcoder2ForCausalLM"]},
    "phi": {"model_type": "phi", "architectures": ["PhiForCausalLM"]},
    "phi3": {"model_type": "phi3", "architectures": ["Phi3ForCausalLM"]},
    "gemma": {"model_type": "gemma", "architectures": ["GemmaForCausalLM"]},
    "gemma2": {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"]},
}  # fmt: skip
"""What config.json says of each architecture; 32000 tokens and float16 where nothing else stands here."""

COMPILED_SINCE = {
    "llama": "0.8.0",
    "mistral": "0.8.0",
    "gemma": "0.9.0",
    "qwen3": "0.21~",
    "qwen3_moe": "1.0~",
}
"""The first row that converts an architecture by itself; 0.12.0 where none stands here."""

LLAMA_CLASS = frozenset(("llama", "mistral", "mixtral", "internlm", "internlm2"))
QWENS = frozenset(("qwen", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe"))
CHATGLMS = frozenset(("chatglm", "chatglm2", "chatglm3", "glm-10b"))
GPTS = frozenset(("gpt2", "santacoder", "starcoder", "starcoder2"))
BAICHUANS = frozenset(("baichuan-7b", "baichuan2-13b"))
FALCONS = frozenset(("falcon", "falcon-rw"))
ROPE = LLAMA_CLASS | (QWENS - {"qwen"})
EVERY = frozenset(FAMILIES)
ONE = frozenset(("llama",))

MAP_CLASS = {
    **dict.fromkeys(LLAMA_CLASS, "LLaMAForCausalLM"),
    **dict.fromkeys(QWENS, "QWenForCausalLM"),
    **dict.fromkeys(CHATGLMS, "ChatGLMForCausalLM"),
    **dict.fromkeys(GPTS, "GPTForCausalLM"),
    **dict.fromkeys(BAICHUANS, "BaichuanForCausalLM"),
    **dict.fromkeys(FALCONS, "FalconForCausalLM"),
    "gptj": "GPTJForCausalLM",
    "phi": "PhiForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "GemmaForCausalLM",
}
"""The library's class of each architecture, as MODEL_MAP of the contract has it."""

VARIANTS = {
    "gpt2": ("gpt_variant", "gpt2"),
    "santacoder": ("gpt_variant", "santacoder"),
    "starcoder": ("gpt_variant", "starcoder"),
    "starcoder2": ("gpt_variant", "starcoder2"),
    "chatglm": ("chatglm_version", "chatglm"),
    "chatglm2": ("chatglm_version", "chatglm2"),
    "chatglm3": ("chatglm_version", "chatglm3"),
    "glm-10b": ("chatglm_version", "glm"),
    "baichuan-7b": ("model_version", "v1_7b"),
    "baichuan2-13b": ("model_version", "v2_13b"),
}
"""What the library must be told of which member it is."""


def _always(settings: Mapping[str, str], outcome: Outcome, rows: frozenset[str] = ALL) -> Case:
    return Case(settings, [(rows, None, outcome)], families=ONE)


def _rows(settings: Mapping[str, str], *rules: tuple[frozenset[str], Outcome]) -> Case:
    return Case(settings, [(rows, None, outcome) for rows, outcome in rules], families=ONE)


def _both(name: str, value: str, passed: object, place: Callable[[str], str]) -> list[Case]:
    return [_always({name: value}, Got({place(name): passed}))]


_BUILT = "BuildConfig__"
INDEPENDENT: Sequence[Case] = (
    _rows(
        {"max_input_len": "2048"},
        (ALL, got(BuildConfig__max_input_len=2048)),
    ),
    _rows(
        {"max_output_len": "100"},
        (span("0.8.0", "0.10.0"), got(BuildConfig__max_output_len=100)),
        (span("0.11.0", "1.2~"), Got({"BuildConfig.max_seq_len": 1124}, ["BuildConfig.max_output_len"])),
    ),
    _always({"max_rolling_batch_size": "7"}, got(BuildConfig__max_batch_size=7)),
    _rows(
        {"max_num_tokens": "4096"},
        (
            span("0.8.0", "0.10.0"),
            Got({"BuildConfig.max_num_tokens": 4096}, ["ExecutorConfig.max_num_tokens"]),
        ),
        (span("0.11.0", "1.2~"), got(BuildConfig__max_num_tokens=4096, ExecutorConfig__max_num_tokens=4096)),
    ),
    _always(
        {"max_num_tokens": "512"},
        Refused("max_num_tokens=512 (from serving.properties) is below max_input_len"),
    ),
    _always(
        {"max_num_tokens": "512", "enable_chunked_context": "true"}, got(BuildConfig__max_num_tokens=512)
    ),
    _always(
        {"max_input_len": "30000"}, got(BuildConfig__max_num_tokens=30000, BuildConfig__max_input_len=30000)
    ),
    _rows(
        {"max_beam_width": "3"},
        (GPT_MANAGER, got(BuildConfig__max_beam_width=3, GptManager__max_beam_width=3)),
        (EXECUTOR, got(BuildConfig__max_beam_width=3, ExecutorConfig__max_beam_width=3)),
    ),
    _rows(
        {"use_custom_all_reduce": "true"},
        (span("0.8.0", "0.11.0"), got(PluginConfig__use_custom_all_reduce=True)),
        (
            span("0.12.0", "1.2~"),
            Said("not a choice from TensorRT-LLM 0.12", {}, ["PluginConfig.use_custom_all_reduce"]),
        ),
    ),
    _rows(
        {"use_custom_all_reduce": "false"},
        (span("0.8.0", "0.11.0"), got(PluginConfig__use_custom_all_reduce=False)),
        (span("0.12.0", "1.2~"), Got({}, ["PluginConfig.use_custom_all_reduce"])),
    ),
    *(_always({"tokens_per_block": str(n)}, got(PluginConfig__tokens_per_block=n)) for n in (32, 64, 128)),
    *(
        _rows(
            {"batch_scheduler_policy": policy},
            (GPT_MANAGER, got(GptManager__scheduler_policy=policy.upper())),
            (span("0.9.0", "0.9.0"), got(SchedulerConfig__policy=policy.upper())),
            (span("0.10.0", "1.2~"), got(SchedulerConfig__capacity_scheduler_policy=policy.upper())),
        )
        for policy in ("max_utilization", "guaranteed_no_evict")
    ),
    _always({"kv_cache_free_gpu_mem_fraction": "0.5"}, got(KvCacheConfig__free_gpu_memory_fraction=0.5)),
    _always(
        {"kv_cache_free_gpu_mem_fraction": "8GiB"},
        Got(
            {"KvCacheConfig.max_tokens": 8 * 2**30 // (2 * 2 * 4 * 64 * 2)},
            ["KvCacheConfig.free_gpu_memory_fraction"],
        ),
    ),
    _rows(
        {"max_num_sequences": "16"},
        (
            span("0.8.0", "0.10.0"),
            Said("not a choice before TensorRT-LLM 0.11", {}, ["ExecutorConfig.max_batch_size"]),
        ),
        (span("0.11.0", "1.2~"), got(ExecutorConfig__max_batch_size=16, BuildConfig__max_batch_size=32)),
    ),
    _rows(
        {"max_num_sequences": "64"},
        (span("0.8.0", "0.10.0"), Said("not a choice before TensorRT-LLM 0.11")),
        (span("0.11.0", "1.2~"), Said("above max_rolling_batch_size", {"ExecutorConfig.max_batch_size": 32})),
    ),
    _rows(
        {"enable_trt_overlap": "true"},
        (GPT_MANAGER, got(TrtGptModelOptionalParams__enable_trt_overlap=True)),
        (
            span("0.9.0", "0.21~"),
            Said("not in TensorRT-LLM 0.9 to 0.21", {}, ["ExecutorConfig.enable_trt_overlap"]),
        ),
        (span("1.0~", "1.2~"), got(ExecutorConfig__enable_trt_overlap=True)),
    ),
    *(
        _always(
            {"enable_kv_cache_reuse": text},
            got(KvCacheConfig__enable_block_reuse=value, PluginConfig__use_paged_context_fmha=value),
        )
        for text, value in (("true", True), ("false", False))
    ),
    _rows(
        {"enable_chunked_context": "true"},
        (
            GPT_MANAGER,
            got(
                TrtGptModelOptionalParams__enable_chunked_context=True,
                PluginConfig__use_paged_context_fmha=True,
            ),
        ),
        (
            EXECUTOR,
            got(ExecutorConfig__enable_chunked_context=True, PluginConfig__use_paged_context_fmha=True),
        ),
    ),
    _rows(
        {"kv_cache_host_memory_bytes": "2GiB"},
        (GPT_MANAGER, Said("not in TensorRT-LLM 0.8", {}, ["KvCacheConfig.host_cache_size"])),
        (EXECUTOR, got(KvCacheConfig__host_cache_size=2**31)),
    ),
    _always({"logits_dtype": "fp16"}, Got({"model.config.logits_dtype": "float16"})),
    _always({"logits_dtype": "fp32"}, Got({}, ["model.config.logits_dtype"])),
    _rows(
        {"use_fp8_context_fmha": "true"},
        (GPT_MANAGER, Refused("needs quantize=fp8")),
        (EXECUTOR, Refused("use_fp8_context_fmha=true (from serving.properties) needs quantize=fp8")),
    ),
    _rows(
        {"use_fp8_context_fmha": "true", "quantize": "fp8"},
        (span("0.8.0", "0.9.0"), Refused("quantize=fp8")),
        (span("0.10.0", "1.2~"), got(PluginConfig__use_fp8_context_fmha=True)),
    ),
    *(
        _always({name: "4"}, Said("every rank converts and builds its own part"))
        for name in ("num_checkpoint_workers", "num_engine_workers")
    ),
    _always({"trtllm_checkpoint_path": "/tmp/x"}, Said("every rank converts and builds its own part")),
    _always({"multi_query_mode": "true"}, Said("the checkpoint says which heads share keys")),
    *(
        _always({name: value}, Said("is for the openvino runtime"))
        for name, value in (
            ("openvino_precision", "exact"),
            ("openvino_kv_cache", "1GiB"),
            ("openvino_step_tokens", "64"),
            ("openvino_threads", "2"),
            ("openvino_group_size", "64"),
        )
    ),
    *(
        _always({name: value}, Said("has no effect without quantize="))
        for name, value in (
            ("q_format", "int4_awq"),
            ("calib_size", "64"),
            ("calib_batch_size", "2"),
            ("calib_dataset", "/tmp/text.txt"),
            ("awq_block_size", "64"),
        )
    ),
    Case(
        {"tensor_parallel_degree": "2"},
        [(ALL, None, got(Mapping__tp_size=2, Mapping__pp_size=1, Mapping__world_size=2))],
        ranks=2,
        families=ONE,
    ),
    Case(
        {"tensor_parallel_degree": "max"},
        [(ALL, None, got(Mapping__tp_size=4, Mapping__pp_size=1, Mapping__world_size=4))],
        ranks=4,
        families=ONE,
    ),
    Case(
        {"pipeline_parallel_degree": "2"},
        [
            (GPT_MANAGER, None, Refused("splits a model by tensor parallelism only")),
            (ALL, None, got(Mapping__tp_size=2, Mapping__pp_size=2, Mapping__world_size=4)),
        ],
        ranks=4,
        families=ONE,
    ),
    Case(
        {"tensor_parallel_degree": "4"},
        [
            (
                ALL,
                None,
                Refused("tensor_parallel_degree=4 (from serving.properties) needs 4 ranks, but 2 MPI ranks"),
            )
        ],
        ranks=2,
        families=ONE,
    ),
)
"""Cases that are the same for every architecture."""

_DTYPES = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "auto": "float16"}
_BLOCKS_PLACE = "ExtendedRuntimePerfKnobConfig.multi_block_mode"
_FUSED_BUILD, _FUSED_PLUGIN = "BuildConfig.use_fused_mlp", "PluginConfig.use_fused_mlp"
_NO_FUSION = Said("models of the LLaMA type", {}, [_FUSED_BUILD, _FUSED_PLUGIN])

_SMOOTHQUANT_FAMILIES = frozenset(
    ("llama", "mistral", "internlm", "qwen", "qwen2", "gpt2", "gptj", "baichuan-7b", "baichuan2-13b")
)
_AWQ_FAMILIES = frozenset(
    ("llama", "mistral", "mixtral", "qwen", "qwen2", "gptj", "baichuan-7b", "baichuan2-13b")
)
_FP8_FAMILIES = _AWQ_FAMILIES | FALCONS | {"gemma"}
_FIRST_LLAMAS = frozenset(("llama", "mistral"))


def _quantised(
    settings: Mapping[str, str], families: frozenset[str], outcome: Outcome, since: str = "0.10.0"
) -> Case:
    """LLaMA and Mistral from `since` on, other families from 0.12 on, all others refused by name."""
    refused = Refused(f"quantize={settings['quantize']} (from serving.properties) is not possible for")
    return Case(
        settings,
        [
            (span(since, "1.2~"), _FIRST_LLAMAS & families, outcome),
            (span("0.12.0", "1.2~"), families - _FIRST_LLAMAS, outcome),
            (ALL, None, refused),
        ],
        families=EVERY,
    )


def _native(algorithm: str, alpha: float = 0.8) -> Got:
    return got(
        QuantConfig__quant_algo=algorithm, QuantConfig__smoothquant_val=alpha, quantize__calib_batches=512
    )


_NATIVE = _SMOOTHQUANT_FAMILIES - {"gptj"}
_MODEL_VERSIONS = {
    "baichuan_model_version": {
        "v1_7b": ("baichuan-7b", "v1_7b"),
        "v1_13b": (None, ""),
        "v2_7b": (None, ""),
        "v2_13b": ("baichuan2-13b", "v2_13b"),
    },
    "chatglm_model_version": {
        "chatglm_6b": ("chatglm", "chatglm"),
        "chatglm2_6b": ("chatglm2", "chatglm2"),
        "chatglm2_6b_32k": ("chatglm2", "chatglm2"),
        "chatglm3_6b": ("chatglm3", "chatglm3"),
        "chatglm3_6b_base": ("chatglm3", "chatglm3"),
        "chatglm3_6b_32k": ("chatglm3", "chatglm3"),
        "glm_10b": ("glm-10b", "glm"),
    },
    "gpt_model_version": {
        "gpt2": ("gpt2", "gpt2"),
        "santacoder": ("santacoder", "santacoder"),
        "starcoder": ("starcoder", "starcoder"),
    },
}
_ARGUMENT = {
    "baichuan_model_version": "model_version",
    "chatglm_model_version": "chatglm_version",
    "gpt_model_version": "gpt_variant",
}
_LOOSE = {
    ("gpt_model_version", "santacoder"): ("starcoder", "starcoder2"),
    ("gpt_model_version", "starcoder"): ("starcoder2",),
}


def _version(option: str, value: str) -> Case:
    family, passed = _MODEL_VERSIONS[option][value]
    place = f"from_hugging_face.{_ARGUMENT[option]}"
    rules: list[tuple[frozenset[str], frozenset[str] | None, Outcome]] = []
    if family is not None:
        rules.append((ALL, frozenset((family,)), Got({place: passed})))
    rules += [
        (ALL, frozenset((other,)), Said("built as that", {place: other}))
        for other in _LOOSE.get((option, value), ())
    ]
    rules.append((ALL, None, Refused(f"{option}={value} (from serving.properties) contradicts")))
    return Case({option: value}, rules, families=EVERY)


BY_FAMILY: Sequence[Case] = (
    *(
        Case({"dtype": text}, [(ALL, None, got(from_hugging_face__dtype=name))], families=EVERY)
        for text, name in _DTYPES.items()
    ),
    *(
        Case(
            {"trust_remote_code": text},
            [
                (span("0.12.0", "1.2~"), None, got(from_hugging_face__trust_remote_code=value)),
                (span("0.8.0", "0.11.0"), None, Got({}, ["from_hugging_face.trust_remote_code"])),
            ],
            families=EVERY,
        )
        for text, value in (("true", True), ("false", False))
    ),
    Case(
        {"multi_block_mode": "true"},
        [
            (ALL, QWENS, Said("not for Qwen", {_BLOCKS_PLACE: False})),
            (span("0.8.0", "0.11.0"), None, got(PluginConfig__multi_block_mode=True)),
            (span("0.12.0", "1.2~"), None, Got({_BLOCKS_PLACE: True}, ["PluginConfig.multi_block_mode"])),
        ],
        families=EVERY,
    ),
    Case(
        {"use_fused_mlp": "true"},
        [
            (
                GPT_MANAGER,
                None,
                Said("not an argument of TensorRT-LLM 0.8", {}, [_FUSED_BUILD, _FUSED_PLUGIN]),
            ),
            (ALL, EVERY - LLAMA_CLASS, _NO_FUSION),
            (span("0.9.0", "0.12b~"), None, Got({_FUSED_BUILD: True})),
            (span("0.13.0", "0.17~"), None, Got({_FUSED_BUILD: True, _FUSED_PLUGIN: True})),
            (span("0.21~", "1.2~"), None, Got({_FUSED_PLUGIN: True}, [_FUSED_BUILD])),
        ],
        families=EVERY,
    ),
    Case(
        {"use_fused_mlp": "false"},
        [
            (GPT_MANAGER, None, Got({}, [_FUSED_BUILD, _FUSED_PLUGIN])),
            (span("0.9.0", "0.12b~"), None, Got({_FUSED_BUILD: False})),
            (span("0.13.0", "0.17~"), None, Got({_FUSED_BUILD: False, _FUSED_PLUGIN: False})),
            (span("0.21~", "1.2~"), None, Got({_FUSED_PLUGIN: False}, [_FUSED_BUILD])),
        ],
        families=EVERY,
    ),
    Case(
        {"load_by_shard": "true"},
        [
            (GPT_MANAGER, None, Said("weights are loaded at once", {}, ["from_hugging_face.load_by_shard"])),
            (ALL, LLAMA_CLASS, got(from_hugging_face__load_by_shard=True)),
            (span("0.14.0", "1.2~"), FALCONS, got(from_hugging_face__load_by_shard=True)),
            (ALL, None, Said("weights are loaded at once", {}, ["from_hugging_face.load_by_shard"])),
        ],
        families=EVERY,
    ),
    Case(
        {"rotary_base": "20000"},
        [
            (GPT_MANAGER, ROPE, Got({"config.json.rotary_base": 20000.0})),
            (ALL, ROPE, Got({"config.json.rope_theta": 20000.0})),
            (ALL, frozenset(("qwen",)), Got({"config.json.rotary_emb_base": 20000.0})),
            (ALL, frozenset(("chatglm3",)), Got({"config.json.rope_ratio": 2.0})),
            (ALL, None, Refused("rotary_base=20000.0 (from serving.properties) has no effect on org/model")),
        ],
        families=EVERY,
    ),
    Case(
        {"rotary_dim": "32"},
        [
            (ALL, frozenset(("gptj",)), Got({"config.json.rotary_dim": 32})),
            (ALL, None, Refused("rotary_dim=32 (from serving.properties) has no effect on org/model")),
        ],
        families=EVERY,
    ),
    *(
        Case(
            {"rotary_scaling_type": kind, "rotary_scaling_factor": "2"},
            [
                (GPT_MANAGER, ROPE, Got({"config.json.rotary_scaling": {"type": kind, "factor": 2.0}})),
                (ALL, ROPE | {"qwen"}, Got({"config.json.rope_scaling": {"type": kind, "factor": 2.0}})),
                (
                    ALL,
                    None,
                    Refused(f"rotary_scaling_type={kind} (from serving.properties) has no effect on"),
                ),
            ],
            families=EVERY,
        )
        for kind in ("linear", "dynamic")
    ),
    *(
        _quantised(
            {"quantize": "smoothquant", "smoothquant_per_token": token, "smoothquant_per_channel": channel},
            _NATIVE,
            _native(algorithm),
        )
        for token, channel, algorithm in (
            ("false", "false", "W8A8_SQ_PER_TENSOR_PLUGIN"),
            ("true", "false", "W8A8_SQ_PER_TENSOR_PER_TOKEN_PLUGIN"),
            ("false", "true", "W8A8_SQ_PER_CHANNEL_PER_TENSOR_PLUGIN"),
            ("true", "true", "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN"),
        )
    ),
    _quantised(
        {"quantize": "smoothquant", "smoothquant_alpha": "0.5"},
        _NATIVE,
        _native("W8A8_SQ_PER_TENSOR_PLUGIN", 0.5),
    ),
    _quantised(
        {"quantize": "awq", "awq_block_size": "64", "calib_size": "16", "calib_batch_size": "4"},
        _AWQ_FAMILIES,
        Got(
            {
                "QuantConfig.quant_algo": "W4A16_AWQ",
                "QuantConfig.group_size": 64,
                "quantize.calib_batches": 16,
                "quantize.calib_batch_size": 4,
                "checkpoint.quantization.kv_cache_quant_algo": None,
            },
            ["QuantConfig.kv_cache_quant_algo"],
        ),
    ),
    _quantised(
        {"quantize": "fp8"},
        _FP8_FAMILIES,
        Got(
            {
                "QuantConfig.quant_algo": "FP8",
                "QuantConfig.kv_cache_quant_algo": "FP8",
                "quantize.calib_batches": 32,
                "checkpoint.quantization.kv_cache_quant_algo": "FP8",
            }
        ),
    ),
    *(
        _quantised(
            {"quantize": choice},
            EVERY,
            Got({"QuantConfig.quant_algo": algorithm}, ["quantize.dtype"]),
            since="0.11.0",
        )
        for choice, algorithm in (("int8", "W8A16"), ("int4", "W4A16"))
    ),
    *(_version(option, value) for option, values in _MODEL_VERSIONS.items() for value in values),
)
"""Cases whose outcome depends on the architecture."""

GPTJ_SMOOTHQUANT = {"QuantConfig.quant_algo": "W8A8_SQ_PER_CHANNEL", "quantize.calib_batches": 32}
"""GPT-J has no SmoothQuant of its own: ModelOpt's, whatever the flags."""
