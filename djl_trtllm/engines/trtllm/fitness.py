"""What of a checkpoint stands against building it: said before any weight is read, because the library says it later.

The library's own words for these are an AssertionError, a wrong shape, or, for layers, none at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from djl_trtllm.engines.trtllm.families import Family
from djl_trtllm.engines.trtllm.situation import Situation

_HEADS = ("num_attention_heads", "n_head", "n_heads")
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers")


def problems(s: Situation, kind: Family, origin: str) -> Iterator[str]:
    """Yield one sentence for everything about a checkpoint that a build with these options would end at."""
    if s.minor < kind.since:
        yield (
            f"{origin} is a {kind.title} model, which TensorRT-LLM {s.release} cannot compile by itself. Use"
            f" TensorRT-LLM {kind.since[0]}.{kind.since[1]} or later, or serve an engine that was built elsewhere."
        )
    yield from _shared(s, kind, origin)
    quantised = s.config.get("quantization_config")
    if isinstance(quantised, Mapping):
        method = quantised.get("quant_method") or "by an unknown method"
        yield (
            f"{origin} is quantised already ({method}), and TensorRT-LLM compiles the weights as they were before. Give"
            " the model that it was made of, with option.quantize."
        )
    if kind.code and "auto_map" in s.config and not s.options.trust_remote_code:
        yield (
            f"{origin} is of type {s.config.get('model_type')!r}, which is loaded by Python code inside the checkpoint,"
            " and such code is not run by default. Set option.trust_remote_code=true if you have read that code and"
            " trust it."
        )
    if s.max_num_tokens < s.max_input_len and not s.options.enable_chunked_context:
        yield (
            f"{s.said('max_num_tokens')} is below max_input_len={s.max_input_len}: prompts longer than that would"
            " never run. Raise it, lower max_input_len, or set option.enable_chunked_context=true."
        )
    if s.options.use_fp8_context_fmha and s.options.quantize != "fp8":
        yield f"{s.said('use_fp8_context_fmha')} needs quantize=fp8. Set it, or remove the option."


def _shared(s: Situation, kind: Family, origin: str) -> Iterator[str]:
    """What ranks cannot share evenly. Layers that are left over would be left out (`Mapping.pp_layers` to 1.0)."""
    heads, layers = _number(s.config, _HEADS), _number(s.config, _LAYERS)
    if heads is not None and heads % s.tp:
        yield (
            f"tensor_parallel_degree={s.tp} does not divide the {heads} attention heads of {origin}. Choose one that"
            " does."
        )
    if s.pp > 1 and s.minor < (0, 9):
        # LLaMA's from_hugging_face of 0.8.0 takes the whole world for the tensor parallel degree.
        yield (
            f"{s.said('pipeline_parallel_degree')} is not possible on TensorRT-LLM {s.release}, whose conversion splits"
            " a model by tensor parallelism only. Set pipeline_parallel_degree=1, or use TensorRT-LLM 0.9 or later."
        )
    if layers is not None and layers % s.pp:
        yield (
            f"pipeline_parallel_degree={s.pp} does not divide the {layers} layers of {origin}. Choose one that does."
        )
    vocabulary = s.config.get("padded_vocab_size") or s.config.get("vocab_size")
    if kind.divides_vocabulary and isinstance(vocabulary, int) and vocabulary % s.tp:
        yield (
            f"tensor_parallel_degree={s.tp} does not divide the vocabulary of {origin} ({vocabulary} tokens), as"
            f" TensorRT-LLM needs for {kind.title} models. Choose one that does."
        )


def _number(config: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    return next((value for name in names if isinstance(value := config.get(name), int)), None)
