"""What a model will take of each GPU on the runtimes of TensorRT-LLM.

Weights and KV cache are arithmetic over the model's shape, the degrees of parallelism and the options. What computing
and compiling take is rough, and chosen on the careful side: no figure here was measured on a GPU. Published are 113 s
for building Qwen2.5-7B on an H100 (issue 2702 of TensorRT-LLM), and seven minutes and more for LLaMA-2-70B or
Falcon-40B (LMI's ahead-of-time tutorial).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.engines.estimate import GPU, Compiling, Estimate, KvCache, Span
from djl_trtllm.engines.resources import gpu_memory
from djl_trtllm.engines.trtllm import engine_files, gpus, kv_size
from djl_trtllm.engines.trtllm.families import family
from djl_trtllm.engines.trtllm.situation import CALIBRATED
from djl_trtllm.engines.trtllm.team_build import disk_needed
from djl_trtllm.errors import UnsupportedModel
from djl_trtllm.model import checkpoint, sizes
from djl_trtllm.model.engine_directory import CONFIG, rank_files
from djl_trtllm.model.sizes import Sizes
from djl_trtllm.options.kinds import Size

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

GIB = 2**30
_WIDTHS = {"fp32": 4, "fp16": 2, "bf16": 2}
_QUANTISED = {"int8": 1.0, "smoothquant": 1.0, "fp8": 1.0, "int4": 0.5, "awq": 0.5}
_SCALE = 2
"""Bytes of the scale of one group of AWQ."""
_LIBRARIES = 3 * GIB
"""Host memory of one process that compiles, besides weights."""
_ROUGH = "rough: from published times of an H100 and of LMI's containers; nothing was measured here"


@dataclass(frozen=True, slots=True)
class _Share:
    """What one GPU has of a model over `tp` times `pp` of them."""

    tp: int
    pp: int

    def weights(self, known: Sizes, parameters: int, dtype: str, quantize: str | None, group: int) -> int:
        """Bytes of weights on the GPU with the most; quantising leaves embedding and output layer alone."""
        width = _WIDTHS[dtype]
        layer_width = _QUANTISED.get(quantize or "", width) + (_SCALE / group if quantize == "awq" else 0)
        table = known.vocabulary if known.tied else known.vocabulary // 2
        # The embedding is whole on each GPU of the first stage; the output layer is split, and written out if tied.
        tables = table + (table // self.tp if self.pp == 1 else 0)
        return int(
            (parameters - known.vocabulary) * layer_width / (self.tp * self.pp)
            + (tables if known.vocabulary else 0) * width
        )

    def per_token(self, known: Sizes, width: int) -> float | None:
        """Bytes of a token in the KV cache of one GPU."""
        kept = known.attention
        if kept is None:
            return None
        return float(2 * -(-kept.layers // self.pp) * -(-kept.kv_heads // self.tp) * kept.head_size * width)


def of(source: Checkpoint | CompiledModel, options: Options, world: int) -> Estimate:
    """Return the estimate for the engine path. Raises `ArtifactError` where an engine's config.json is damaged."""
    if isinstance(source, CompiledModel):
        return _of_engines(source, options)
    pp = options.pipeline_parallel_degree
    share = _Share(max(world // pp, 1), pp)
    known = sizes.of(source)
    dtype = _dtype(source, options.dtype)
    parameters = _parameters(source, known)
    weights = share.weights(known, parameters, dtype, options.quantize, options.awq_block_size)
    per_token = share.per_token(known, 1 if options.quantize == "fp8" else _WIDTHS[dtype])
    return _estimate(
        options,
        devices=share.tp * share.pp,
        weights=options.quantize or dtype,
        parameters=known.parameters,
        weights_bytes=weights,
        working_bytes=_working(known.hidden, options),
        per_token=per_token,
        longest=_request_tokens(known, options),
        compiling=_compiling(source, options, parameters, dtype, share),
    )


def of_checkpoint_as_it_is(source: Checkpoint | CompiledModel, options: Options) -> Estimate:
    """Return the estimate for the LLM API, which compiles nothing and takes a checkpoint as it is stored."""
    if isinstance(source, CompiledModel):
        source = checkpoint.read(source.path, source.origin)
    share = _Share(options.tensor_parallel(len(gpus.devices())), options.pipeline_parallel_degree)
    known = sizes.of(source)
    dtype = _dtype(source, options.dtype)
    quantised = source.config.get("quantization_config")
    if isinstance(quantised, dict):
        label = str(quantised.get("quant_method", "quantised"))
        weights = known.stored_bytes // (share.tp * share.pp)
    else:
        label = dtype
        weights = share.weights(known, _parameters(source, known), dtype, None, 1)
    return _estimate(
        options,
        devices=share.tp * share.pp,
        weights=label,
        parameters=known.parameters,
        weights_bytes=weights,
        working_bytes=_working(known.hidden, options),
        per_token=share.per_token(known, _WIDTHS[dtype]),
        longest=_request_tokens(known, options),
        compiling=None,
    )


def _of_engines(model: CompiledModel, options: Options) -> Estimate:
    facts = engine_files.read(model.path)
    config = json.loads((model.path / CONFIG).read_bytes())
    largest = max((file.stat().st_size for file in rank_files(model.path).values()), default=0)
    hidden = (config.get("pretrained_config") or config.get("builder_config") or {}).get("hidden_size")
    wanted = options.max_input_len + options.max_output_len
    asked = {"max_input_len", "max_output_len"} & set(options.sources)
    return _estimate(
        options,
        devices=facts.world_size,
        weights=facts.dtype,
        parameters=None,
        weights_bytes=largest,
        working_bytes=_working(hidden if isinstance(hidden, int) else None, options),
        per_token=kv_size.bytes_per_token(config, facts.tp_size, facts.pp_size),
        longest=min(wanted, facts.max_seq_len) if asked else facts.max_seq_len,
        compiling=None,
    )


def _estimate(
    options: Options,
    *,
    devices: int,
    weights: str,
    parameters: int | None,
    weights_bytes: int,
    working_bytes: int,
    per_token: float | None,
    longest: int,
    compiling: Compiling | None,
) -> Estimate:
    total, free = _memory(devices)
    kv = None
    if per_token is not None:
        room = free if free is not None else total
        left = None if room is None else room - weights_bytes - working_bytes
        kv = _kv(options, per_token, left)
    why = "rough: reading the weights at 200 MB to 2 GB a second, and starting the engine"
    return Estimate(
        device=GPU,
        devices=devices,
        weights=weights,
        parameters=parameters,
        weights_bytes=weights_bytes,
        working_bytes=working_bytes,
        kv=kv,
        request_tokens=longest,
        total_bytes=total,
        free_bytes=free,
        compiling=compiling,
        loading=Span(5 + weights_bytes // 2_000_000_000, 60 + devices * weights_bytes // 200_000_000, why),
    )


def _memory(devices: int) -> tuple[int | None, int | None]:
    """Return all and free memory of the GPU that has the least; `free` is None where NVML is not there."""
    found = gpu_memory()[:devices]
    if found:
        return min(memory.total for memory in found), min(memory.free for memory in found)
    totals = [gpu.memory_bytes for gpu in gpus.devices()[:devices]]
    return min(totals, default=None), None


def _kv(options: Options, per_token: float, left: int | None) -> KvCache:
    asked = options.kv_cache_free_gpu_mem_fraction
    source = f"option kv_cache_free_gpu_mem_fraction={asked}"
    if isinstance(asked, Size):
        return KvCache(per_token, int(asked.bytes / per_token), source)
    if left is None:
        return KvCache(per_token, None, source)
    what = "of what the weights leave free"
    return KvCache(per_token, max(0, int(left * asked / per_token)), f"{source}, {what}")


def _dtype(source: Checkpoint, dtype: str) -> str:
    """The type that is built in: the library makes float16 of float32 where it may choose (0.11 to 1.2)."""
    if dtype != "auto":
        return dtype
    own = str(source.config.get("torch_dtype") or source.config.get("dtype") or "")
    return "bf16" if own.removeprefix("torch.") == "bfloat16" else "fp16"


def _parameters(source: Checkpoint, known: Sizes) -> int:
    stored = 4 if "float32" in str(source.config.get("torch_dtype") or source.config.get("dtype")) else 2
    return known.parameters or known.stored_bytes // stored


def _working(hidden: int | None, options: Options) -> int:
    """Memory for a step of `max_num_tokens`: rough, a dozen numbers of 16 bits for each of a token's features."""
    return GIB + options.max_num_tokens * (hidden or 4096) * 12 * 2


def _request_tokens(known: Sizes, options: Options) -> int:
    wanted = options.max_input_len + options.max_output_len
    stretched = int((known.context or wanted) * (options.rotary_scaling_factor or 1))
    return min(wanted, stretched)


def _compiling(source: Checkpoint, options: Options, parameters: int, dtype: str, share: _Share) -> Compiling:
    try:
        renamed = family(source).renamed
    except UnsupportedModel:
        renamed = False
    calibrated = options.quantize in CALIBRATED
    ranks = share.tp * share.pp
    part = parameters / ranks
    low, high = 20 + 5e-9 * part, 180 + 1e-7 * part + 1e-8 * parameters
    if calibrated:
        low, high = low + 20 + 5e-9 * parameters, high + 600 + 1e-7 * parameters
    return Compiling(
        host_bytes=int(
            ranks * _LIBRARIES + checkpoint.weights_bytes(source) + 2 * parameters * _WIDTHS[dtype]
        ),
        disk_bytes=disk_needed(source, renamed=renamed, calibrated=calibrated),
        seconds=Span(math.floor(low), math.ceil(high), _ROUGH),
    )
