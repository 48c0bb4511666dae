"""What the LLM API is told of a model, and what it can take: facts of the checkpoint, arguments, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from djl_trtllm.core import Checkpoint, CompiledModel, Features, Limit, Limits
from djl_trtllm.engines.end_ids import end_ids
from djl_trtllm.engines.guides.vocabulary import Vocabulary
from djl_trtllm.engines.trtllm import answers, guided
from djl_trtllm.engines.trtllm.resolved import Resolved
from djl_trtllm.engines.trtllm.sequences import Ends
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import ArtifactError
from djl_trtllm.model import checkpoint
from djl_trtllm.model.families import max_positions

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_SAMPLERS: Mapping[tuple[int, int], Mapping[str, object]] = {
    (1, 0): {"enable_trtllm_sampler": True},
    (1, 2): {"sampler_type": "TRTLLMSampler"},
}
"""Which sampler is asked for. That of 1.0 is greedy by default whatever a request says, that of 1.2 knows no penalties
(docs of both, "Sampling"). For 1.1 nothing is passed: its argument changed name on the way. From 1.3 on the default
knows them, and the other one goes (pull requests 6216, 6831, 11938 and 18232 of TensorRT-LLM)."""


@dataclass(frozen=True, slots=True)
class LlmModel:
    """A checkpoint for the LLM API. `arguments` are those of `LLM(...)` besides its configuration objects.

    `tokens` are there where answers are to be bound to guides.
    """

    origin: str
    ends: Ends
    limits: Limits
    features: Features
    tokens: Vocabulary | None
    beams: int
    arguments: Mapping[str, object]
    kv_cache: Mapping[str, object]
    scheduler: Mapping[str, object]


def describe(model: CompiledModel, options: Options, release: Release, resolved: Resolved) -> LlmModel:
    """Bring together what opening the engine needs. `ArtifactError` where the checkpoint does not say enough."""
    source = read(model)
    arguments: dict[str, object] = {
        "model": str(model.path),
        # Serving has its own tokenizer; the library's would import transformers' and cost memory in every process.
        "skip_tokenizer_init": True,
        **_SAMPLERS.get((release.major, release.minor), {}),
        **resolved.at("LLM"),
    }
    if resolved.at("LLM.model_kwargs"):
        arguments["model_kwargs"] = dict(resolved.at("LLM.model_kwargs"))
    beams = options.max_beam_width
    if beams > 1:
        arguments["disable_overlap_scheduler"] = True  # beam search does not go with it (docs of 1.0 and 1.2)
    ends, limits = Ends(end_ids(model)), _limits(source, options, arguments)
    tokens = _tokens(model, options, ends, limits.vocab_size.value) if beams == 1 else None
    return LlmModel(
        origin=model.origin,
        ends=ends,
        limits=limits,
        features=answers.of_llm_api(release, beams, guided=tokens is not None),
        tokens=tokens,
        beams=beams,
        arguments=arguments,
        kv_cache=resolved.at("LLM.KvCacheConfig"),
        scheduler=resolved.at("LLM.SchedulerConfig"),
    )


def without_guides(model: LlmModel) -> LlmModel:
    """Return the model as it is served where the library cannot bind answers to guides."""
    return replace(model, tokens=None, features=replace(model.features, guides=frozenset()))


def _tokens(model: CompiledModel, options: Options, ends: Ends, size: int) -> Vocabulary | None:
    """Return the tokens for guides. The library lines them up by itself, so that a gap would move all that follow."""
    found = guided.tokens(model, options, ends, size)
    if found is not None and not (found.whole and ends.first in found.stops):
        guided.say_without("the ids of the tokenizer have gaps, or are not those of the model")
        return None
    return found


def read(model: CompiledModel) -> Checkpoint:
    """Read the checkpoint that a model for this runtime is."""
    return checkpoint.read(model.path, model.origin)


def _limits(source: Checkpoint, options: Options, arguments: Mapping[str, Any]) -> Limits:
    together = "options max_input_len and max_output_len together"
    context = Limit(int(arguments["max_seq_len"]), together)
    positions = max_positions(source.config)
    stretched = int((positions or 0) * (options.rotary_scaling_factor or 1))
    if positions and stretched < context.value:
        context = Limit(stretched, "max_position_embeddings in config.json")
    longest = Limit(int(arguments["max_input_len"]), "option max_input_len")
    step = int(arguments["max_num_tokens"])
    if step < longest.value and not arguments.get("enable_chunked_prefill"):
        longest = Limit(step, "option max_num_tokens, without enable_chunked_context")
    slots = Limit(options.max_rolling_batch_size, "option max_rolling_batch_size")
    return Limits(
        max_input_len=longest,
        max_output_len=Limit(options.max_output_len, "option max_output_len"),
        max_sequence_len=context,
        max_batch_size=slots,
        # The library sizes its cache when it loads and does not tell; a sequence that fits its context fits the cache.
        kv_cache_tokens=Limit(slots.value * context.value, f"{slots.source} times {together}"),
        vocab_size=Limit(_vocab_size(source), "vocab_size in config.json"),
    )


def _vocab_size(source: Checkpoint) -> int:
    nested = source.config.get("text_config")
    for config in (source.config, nested if isinstance(nested, Mapping) else {}):
        value = config.get("vocab_size")
        if isinstance(value, int) and value > 0:
            return value
    raise ArtifactError(f"config.json of {source.origin} does not say its vocab_size.")
