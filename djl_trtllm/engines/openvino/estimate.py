"""What a model will take on the openvino runtime. Memory by the rules of `settings.py`, the rest from builds measured.

Measured on two cores with a model of 135 million parameters (OpenVINO 2026.4, optimum-intel 2.2): seconds and peak
memory of compiling for every value of the option quantize, and memory of a serving process. Larger models were not.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, CompiledModel, Limit
from djl_trtllm.engines.building.weights import weight_type
from djl_trtllm.engines.estimate import HOST, Compiling, Estimate, KvCache, Span
from djl_trtllm.engines.openvino import compile as compiler
from djl_trtllm.engines.openvino import overrides, settings
from djl_trtllm.engines.openvino.model import ModelFacts, read_facts
from djl_trtllm.engines.resources import host_memory
from djl_trtllm.model import sizes
from djl_trtllm.model.families import FAMILIES
from djl_trtllm.model.sizes import Sizes

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

MIB = 2**20
_WHY = "rough: from builds of a model of 135 million parameters on two cores"
_COST = {None: 1.0, "int8": 1.6, "int4": 2.3, "awq": 3.7, "smoothquant": 7.2}
"""Seconds of compiling for a value of the option quantize, against those of fp32 (measured: 11 s)."""
_PEAK = {"awq": 3.5, "smoothquant": 5.4}
"""Peak memory of compiling against the weights, where it is not 2.2; the libraries take `_LIBRARIES` besides."""
_LIBRARIES = 550 * MIB
_SERVING = 320 * MIB
"""What a serving process takes besides weights and KV cache: 451 MB after a step, 128 of them weights (int8)."""


def of(source: Checkpoint | CompiledModel, options: Options) -> Estimate:
    """Return the estimate. Raises `ArtifactError` where a compiled model's own files are damaged."""
    memory = host_memory()
    if isinstance(source, Checkpoint):
        known = sizes.of(source)
        dtype = weight_type(source, options.dtype)
        facts = _facts(source, known, options)
        parameters = known.parameters or known.stored_bytes // compiler.BYTES[weight_type(source, "auto")]
        weights = _weights_bytes(parameters, known.vocabulary, options)
        compiling = _compiling(source, parameters, dtype, options)
        label, hidden = options.quantize or dtype, known.hidden or 0
    else:
        facts = read_facts(source.path)
        parameters, label, hidden, compiling = None, "", 0, None
        weights = (source.path / "openvino_model.bin").stat().st_size
    return Estimate(
        device=HOST,
        devices=1,
        weights=label,
        parameters=parameters,
        weights_bytes=weights,
        working_bytes=_SERVING + options.openvino_step_tokens * hidden * 64,
        kv=_kv(facts, options, memory.free) if facts is not None else None,
        request_tokens=_request_tokens(facts, options),
        total_bytes=memory.total,
        free_bytes=memory.free,
        compiling=compiling,
        loading=_loading(weights),
    )


def _facts(checkpoint: Checkpoint, known: Sizes, options: Options) -> ModelFacts | None:
    """Return what the compiled model will say of itself; None where config.json does not tell its KV cache."""
    attention = known.attention
    if attention is None:
        return None
    heads = attention.kv_heads
    if checkpoint.config.get("new_decoder_architecture"):
        heads = (
            attention.heads
        )  # transformers' Falcon repeats keys and values for every head before it keeps them
    kind = FAMILIES.get(checkpoint.model_type)
    factor = overrides.position_factor(kind, options) if kind is not None else 1.0
    positions = Limit(int(known.context * factor), "config.json") if known.context else None
    return ModelFacts(
        path=Path(),
        positions=positions,
        vocab_size=Limit(1, "config.json"),
        eos_ids=frozenset(),
        state_per_token=2 * attention.layers * heads * attention.head_size,
        # The exporter writes it into models that are not quantised; for others the runtime takes a byte a number.
        cache_type="" if options.quantize else "f16",
    )


def _weights_bytes(parameters: int, vocabulary: int, options: Options) -> int:
    """Bytes of the weights in memory: OpenVINO keeps them in the type that it computes in."""
    if options.quantize in ("int8", "smoothquant"):
        return parameters
    if options.quantize in ("int4", "awq"):
        group = options.openvino_group_size or 128
        return int((parameters - vocabulary) * (0.5 + 2.5 / group) + vocabulary)
    halves = options.openvino_precision == "fast" and _computes_in_halves()
    return parameters * (2 if halves else 4)


def _computes_in_halves(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether OpenVINO's default precision on this CPU is a 16-bit one."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    return any(flag in text for flag in ("avx512_bf16", "amx_bf16", "amx_fp16", "avx512_fp16"))


def _kv(facts: ModelFacts, options: Options, free: int) -> KvCache:
    context = settings.context_limit(facts, options)
    blocks, source = settings.kv_cache_blocks(facts, options, context, free)
    return KvCache(settings.bytes_per_token(facts, options), blocks * settings.BLOCK, source)


def _request_tokens(facts: ModelFacts | None, options: Options) -> int:
    if facts is None:
        return options.max_input_len + options.max_output_len
    return settings.longest_request(settings.context_limit(facts, options), options)


def _compiling(checkpoint: Checkpoint, parameters: int, dtype: str, options: Options) -> Compiling:
    built_in = 4 if options.quantize else compiler.BYTES[dtype]
    stored_in = compiler.BYTES[weight_type(checkpoint, "auto")]
    # Weights that are read as another type are there twice.
    source = parameters * stored_in if stored_in != built_in else 0
    cost = _COST.get(options.quantize, 1.0)
    return Compiling(
        host_bytes=int(_LIBRARIES + source + parameters * built_in * _PEAK.get(options.quantize or "", 2.2)),
        disk_bytes=compiler.disk_needed(checkpoint, dtype, options.quantize),
        seconds=Span(
            math.floor(8 + 6e-9 * parameters * cost),
            math.ceil(120 + 3e-7 * parameters * cost),
            _WHY,
        ),
    )


def _loading(weights: int) -> Span:
    why = "rough: reading the weights at 100 MB to 2 GB a second, and starting the engine"
    return Span(1 + weights // 2_000_000_000, 15 + weights // 100_000_000, why)
