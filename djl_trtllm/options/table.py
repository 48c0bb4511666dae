"""Every option, once. The fields of `Options` are the table.

Parsing, error texts, `djl-trtllm options`, docs/options.md and the cache key all come from here. To add an
option, add a field; what a runtime does with an option that it cannot use stands in `runtimes.py`. Names and
defaults of the first part are those of the LMI TensorRT-LLM user guide (LMI v9 and later), the rest is ours.
"""
# ruff: noqa: RUF009

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from djl_trtllm.options.formatter import FORMATTER
from djl_trtllm.options.kinds import (
    ADDRESS,
    BOOL,
    DEGREE,
    FRACTION_OR_SIZE,
    SIZE,
    SIZE_OR_TOKENS,
    TEXT,
    Size,
    Tokens,
    choice,
    integer,
    number,
    optional,
    power_of_two,
)
from djl_trtllm.options.spec import Spec, opt

MAX_SLOTS = 999
"""DJL's batch messages have three digits for the position of a request."""

TRT = ("trtllm",)
OV = ("openvino",)
BOTH = (*TRT, *OV)

# Rows read best as a table.
# fmt: off
DTYPES = choice("auto", "fp32", "fp16", "bf16",
                synonyms={"float32": "fp32", "float16": "fp16", "half": "fp16", "bfloat16": "bf16"})
RUNTIMES = choice("auto", "trtllm", "trtllm-pytorch", "openvino",
                  synonyms={"tensorrt": "trtllm", "pytorch": "trtllm-pytorch"})
BAICHUAN = choice("v1_7b", "v1_13b", "v2_7b", "v2_13b")
CHATGLM = choice("chatglm_6b", "chatglm2_6b", "chatglm2_6b_32k", "chatglm3_6b", "chatglm3_6b_base",
                 "chatglm3_6b_32k", "glm_10b")
GPT = choice("gpt2", "santacoder", "starcoder")
QUANTIZE = choice("smoothquant", "awq", "fp8", "int8", "int4")
SCHEDULING = choice("max_utilization", "guaranteed_no_evict")
LONG_INPUT = choice("reject", "truncate_left", "truncate_right")
LOG_REQUESTS = choice("off", "sizes", synonyms={"false": "off", "true": "sizes"})
WARN_OR_REJECT = choice("warn", "reject")
TOKENS = integer(1, 10_000_000)
COUNT = integer(1, 100_000)
SECONDS = integer(1, 1_000_000)
SECONDS_OR_NEVER = integer(0, 1_000_000)

SMOOTHQUANT = ("quantize", ("smoothquant",))
AWQ = ("quantize", ("awq",))
QUANTISED = ("quantize", ("smoothquant", "awq", "fp8", "int8", "int4"))
CALIBRATED = ("quantize", ("smoothquant", "awq", "fp8"))
GROUPED = ("quantize", ("int4", "awq"))


@dataclass(frozen=True, slots=True)
class Options:
    """All options of one model, checked. `sources` says where each value that was set came from."""

    # The model and its shape
    model_id: str | None = opt(None, TEXT, "Directory, hub id or s3:// prefix.",
        env="HF_MODEL_ID", default="the model directory")
    revision: str | None = opt(None, TEXT, "Branch, tag or commit of a hub id.", env="HF_REVISION")
    trust_remote_code: bool = opt(False, BOOL, "Run Python code of the checkpoint while compiling.")
    tokenizer: str | None = opt(None, TEXT, "Directory, hub id or s3:// prefix of another tokenizer.",
        build=BOTH)
    allow_pickle_weights: bool = opt(False, BOOL, "Read .bin weights, which can run code.")
    dtype: str = opt("auto", DTYPES, "Type of the weights; auto takes the checkpoint's own.", build=BOTH)
    tensor_parallel_degree: str | None = opt(None, DEGREE, "Devices a layer is split over; max takes all.",
        build=TRT, env="TENSOR_PARALLEL_DEGREE", default="1, or the number of MPI ranks")
    pipeline_parallel_degree: int = opt(1, integer(1, 1024), "Stages the layers are split into.",
        build=TRT, env="PIPELINE_PARALLEL_DEGREE")
    rolling_batch: str = opt("auto", choice("auto", "trtllm", "python", "disable"),
        "Continuous batching; python: without mpirun; disable: whole responses, one request a call.")
    max_rolling_batch_size: int = opt(32, integer(1, MAX_SLOTS), "Requests that run at once.", build=TRT)
    max_input_len: int = opt(1024, TOKENS, "Longest prompt of a request, in tokens.", build=TRT)
    max_output_len: int = opt(512, TOKENS, "Most new tokens of a request; more is cut to it.", build=TRT)
    max_num_tokens: int = opt(16384, TOKENS, "Tokens in one engine step, prompts included.", build=TRT)

    # The guide's pass-through options
    use_custom_all_reduce: bool = opt(False, BOOL, "Reduce over NVLink with a kernel of its own.", build=TRT)
    tokens_per_block: int = opt(128, power_of_two(1, 1024), "Tokens in a block of the KV cache.", build=TRT)
    batch_scheduler_policy: str = opt("max_utilization", SCHEDULING,
        "Fill the KV cache and pause requests when it is full, or admit only what surely fits.")
    kv_cache_free_gpu_mem_fraction: float | Size = opt(0.95, FRACTION_OR_SIZE,
        "Share of free GPU memory for the KV cache, or its size.")
    max_num_sequences: int = opt(0, COUNT, "Sequences in one engine step.", default="max_rolling_batch_size")
    enable_trt_overlap: bool = opt(False, BOOL, "Overlap the batches of two steps.")
    enable_kv_cache_reuse: bool = opt(False, BOOL, "Reuse the KV cache of prompts with one beginning.",
        build=TRT)
    baichuan_model_version: str | None = opt(None, optional(BAICHUAN), "Which Baichuan it is.",
        build=TRT, default="v1_13b, or as the checkpoint says")
    chatglm_model_version: str | None = opt(None, optional(CHATGLM), "Which ChatGLM it is.",
        build=TRT, default="as the checkpoint says")
    gpt_model_version: str | None = opt(None, optional(GPT), "Which GPT it is; checked against the checkpoint.",
        default="as the checkpoint says")
    multi_block_mode: bool = opt(False, BOOL, "Split long KV sequences over more of the GPU.", build=TRT)
    use_fused_mlp: bool = opt(False, BOOL, "Fuse the two halves of a gated MLP (LLaMA).", build=TRT)
    rotary_base: float | None = opt(None, number(0, 1e12, above=True),
        "Base of the rotary embedding (LLaMA, InternLM, Qwen).", build=BOTH,
        default="the checkpoint's own, mostly 10000")
    rotary_dim: int | None = opt(None, integer(1, 65536), "Rotary dimensions (GPT-J only).", build=BOTH,
        default="the checkpoint's own, mostly 64")
    rotary_scaling_type: str | None = opt(None, optional(choice("linear", "dynamic")),
        "How positions are stretched; only together with rotary_scaling_factor.", build=BOTH)
    rotary_scaling_factor: float | None = opt(None, number(1, 1e6, above=True),
        "How far positions are stretched; only together with rotary_scaling_type.", build=BOTH)

    # Quantisation
    quantize: str | None = opt(None, optional(QUANTIZE),
        "Quantise while compiling; int8 and int4 are of weights only.", build=BOTH)
    smoothquant_alpha: float = opt(0.8, number(0, 1),
        "How much difficulty moves from activations to weights.", build=BOTH, only_with=SMOOTHQUANT)
    smoothquant_per_token: bool = opt(False, BOOL, "One activation scale a token.",
        build=TRT, only_with=SMOOTHQUANT)
    smoothquant_per_channel: bool = opt(False, BOOL, "One weight scale a channel.",
        build=TRT, only_with=SMOOTHQUANT)
    multi_query_mode: bool = opt(False, BOOL, "Heads share keys; read from the checkpoint now.")
    q_format: str = opt("int4_awq", choice("int4_awq"), "Format of AWQ weights.",
        build=TRT, aliases=("awq_format",), only_with=AWQ)
    calib_size: int = opt(32, COUNT, "Number of calibration samples.",
        build=BOTH, aliases=("awq_calib_size",), only_with=CALIBRATED)
    calib_batch_size: int = opt(1, COUNT, "Samples calibrated at once.", build=TRT, only_with=CALIBRATED)
    calib_dataset: str | None = opt(None, TEXT,
        "Local text or JSON-lines file to calibrate with, and to compare a quantised build on.",
        build=BOTH, only_with=CALIBRATED, used_with=QUANTISED, default="texts that come with the package")
    awq_block_size: int = opt(128, integer(1, 65536), "Weights that share an AWQ scale.",
        build=BOTH, only_with=AWQ)
    quality_floor: float | None = opt(None, optional(number(0, 1)),
        "Next-token agreement that a quantised build must reach with its source.")

    # TensorRT-LLM, LMI 0.28 and later
    logits_dtype: str = opt("fp32", choice("fp16", "fp32"), "Type of the logits.", build=TRT)
    load_by_shard: bool = opt(False, BOOL, "Load the checkpoint shard by shard.")
    use_fp8_context_fmha: bool = opt(False, BOOL, "FP8 attention over prompts.", build=TRT)
    num_checkpoint_workers: int | None = opt(None, integer(1, 1024), "Processes that convert the checkpoint.")
    num_engine_workers: int | None = opt(None, integer(1, 1024), "Processes that build engines.")
    trtllm_checkpoint_path: str | None = opt(None, TEXT, "Where the converted checkpoint is written.")
    enable_chunked_context: bool = opt(False, BOOL, "Run long prompts in pieces.", build=TRT)
    max_beam_width: int = opt(1, integer(1, 64), "Most beams of a request.", build=TRT)
    kv_cache_host_memory_bytes: Size | None = opt(None, SIZE, "Host memory for KV blocks that leave the GPU.")

    # Requests and answers
    output_formatter: str | None = opt(None, optional(FORMATTER),
        "Response format of LMI requests that name none.", default="json, or jsonlines when streaming")
    default_max_new_tokens: int = opt(30, TOKENS, "New tokens of a request that does not say how many.",
        default="30; for OpenAI's API what the context leaves")
    on_long_input: str = opt("reject", LONG_INPUT, "What happens to prompts over max_input_len.")
    unknown_parameters: str = opt("warn", WARN_OR_REJECT, "What happens to unknown request parameters.")
    unknown_options: str = opt("warn", WARN_OR_REJECT, "What happens to unknown options.")
    error_codes: str = opt("http", choice("http", "lmi"), "lmi answers every error with 424.")
    tgi_compat: bool = opt(False, BOOL, "Answer in the shape of Text Generation Inference.")
    guided_decoding: str = opt("auto", choice("auto", "off"),
        "Whether answers can be bound to a schema, regex or grammar.")
    guide_max_bytes: Size = opt(Size(65536), SIZE, "Longest schema, regex or grammar of a request.")
    guide_timeout: float = opt(2.0, number(0, 3600, above=True), "Seconds that compiling one may take.")
    queue_max_tokens: int | None = opt(None, optional(TOKENS),
        "Waiting prompt tokens over which clients get 503.")

    # The runtime, the cache, the process
    runtime: str = opt("auto", RUNTIMES, "What runs the model; auto takes what the machine has.",
        aliases=("backend",))
    cache_dir: str | None = opt(None, TEXT, "Where compiled models are kept, and models from S3.",
        default="under DJL_CACHE_DIR, else the user's cache directory")
    cache: str = opt("use", choice("use", "rebuild", "off"), "Whether compiled models are reused.")
    cache_max_size: Size | None = opt(None, optional(SIZE),
        "Size of compiled models together, over which the least recently used go.")
    cache_remote: str | None = opt(None, optional(ADDRESS),
        "s3:// prefix where compiled models are looked for and kept as well.")
    predict_timeout: int = opt(120, SECONDS, "Seconds DJL waits for one step.", env="PREDICT_TIMEOUT")
    model_loading_timeout: int = opt(240, SECONDS, "Seconds DJL waits for the model to load.",
        env="MODEL_LOADING_TIMEOUT")
    rank_timeout: int = opt(0, SECONDS, "Seconds that ranks wait for each other.",
        default="model_loading_timeout - 30")
    stall_timeout: int = opt(60, SECONDS_OR_NEVER,
        "Seconds without progress, requests running, after which the engine is reopened; 0 for never.")
    log_requests: str = opt("sizes", LOG_REQUESTS, "Log ids, sizes and times of requests; never text.")
    log_format: str = opt("text", choice("text", "json"), "How log lines are written.")
    metrics_port: int | None = opt(None, optional(integer(1, 65535)), "Port for Prometheus.")
    metrics_host: str = opt("0.0.0.0", TEXT,  # noqa: S104 - a container is scraped from outside
        "Address that metrics_port listens on.")
    tracing: str = opt("off", choice("off", "otlp"), "Send OpenTelemetry spans.")

    # The openvino runtime
    openvino_precision: str = opt("fast", choice("exact", "fast"),
        "exact computes in f32: the same bytes alone and in a batch, with an fp32 model.")
    openvino_kv_cache: Size | Tokens | None = opt(None, SIZE_OR_TOKENS, "KV cache.",
        default="a quarter of free memory, at most what all requests can use")
    openvino_step_tokens: int = opt(256, integer(1, 1_000_000),
        "Tokens in one step: more is faster prefill and longer pauses.")
    openvino_threads: int | None = opt(None, integer(1, 4096), "Threads that compute.", default="all cores")
    openvino_group_size: int | None = opt(None, integer(1, 65536), "Weights that share an int4 scale.",
        build=OV, only_with=GROUPED, default="128, or what divides the layers")

    # Not options: what DJL tells, and what was found while reading them
    model_dir: str = "."
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    warnings: tuple[str, ...] = field(default=(), repr=False, compare=False)
    # fmt: on

    def __post_init__(self) -> None:
        if not self.max_num_sequences:
            object.__setattr__(self, "max_num_sequences", self.max_rolling_batch_size)
        if not self.rank_timeout:
            timeout = self.model_loading_timeout
            object.__setattr__(self, "rank_timeout", max(timeout - 30, timeout // 2, 1))

    def source_of(self, name: str) -> str:
        """Where the value of an option is from: serving.properties, an environment variable, or default."""
        return self.sources.get(name, "default")

    def tensor_parallel(self, devices: int) -> int:
        """Return the tensor parallel degree as a number; `max` means `devices`, and at least 1."""
        if self.tensor_parallel_degree is None:
            return 1
        return max(devices, 1) if self.tensor_parallel_degree == "max" else int(self.tensor_parallel_degree)

    def in_effect(self, name: str) -> bool:
        """Whether an option matters under the values of the others."""
        need = SPECS[name].only_with
        return need is None or getattr(self, need[0]) in need[1]

    def build_values(self, runtime: str) -> dict[str, object]:
        """Return the options that decide what `runtime` builds, as JSON values.

        Those that are not set or have no effect are left out, so that they do not change a cache key. The
        checkpoint itself (`model_id`, `revision`) enters the key by its content.
        """
        values = {n: getattr(self, n) for n, s in SPECS.items() if runtime in s.build and self.in_effect(n)}
        return {name: value for name, value in values.items() if value is not None}


SPECS: Mapping[str, Spec] = {row.name: row.metadata["spec"] for row in fields(Options) if row.metadata}
DEFAULTS: Mapping[str, object] = {row.name: row.default for row in fields(Options) if row.metadata}
ALIASES: Mapping[str, str] = {alias: name for name, spec in SPECS.items() for alias in spec.aliases}
