"""What options come to on one release: every row of the map applied, and what no single row can say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.trtllm import fitness, option_docs, quantization, rotary, variants
from djl_trtllm.engines.trtllm.families import Family, family
from djl_trtllm.engines.trtllm.option_rows import END, FIRST, ROWS, RUN_PLACES
from djl_trtllm.engines.trtllm.resolved import Resolved
from djl_trtllm.engines.trtllm.row import Places, apply
from djl_trtllm.engines.trtllm.situation import Situation
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import UnsupportedModel

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

# Options that are build arguments and still mean something for an engine that is there: what a request may ask for.
_SERVED = frozenset(
    (
        "max_input_len",
        "max_output_len",
        "tensor_parallel_degree",
        "pipeline_parallel_degree",
        "trust_remote_code",
    )
)


def resolve(
    options: Options,
    release: Release,
    checkpoint: Checkpoint | None,
    world: int,
    runtime: str = "trtllm",
    *,
    architecture: str = "",
) -> Resolved:
    """Return the arguments for `release`; `checkpoint` is None for an engine that is built already.

    `architecture` is what the config.json of such an engine says. `world` is the number of ranks. Arguments that come
    from no option but depend on the release or the architecture are in it as well.
    """
    if runtime == "trtllm-pytorch":
        from djl_trtllm.engines.trtllm import llm_map

        return llm_map.resolve(options, release, checkpoint)
    problems = [*release_problems(release), *world_problems(options, world)]
    kind: Family | None = None
    if checkpoint is not None:
        try:
            kind = family(checkpoint)
        except UnsupportedModel as error:
            problems += error.problems
    if not FIRST <= (release.major, release.minor) < END or (checkpoint is not None and kind is None):
        return Resolved({}, (), tuple(problems))
    pp = options.pipeline_parallel_degree
    config = checkpoint.config if checkpoint is not None else {}
    situation = Situation(options, release, kind, config, max(world // pp, 1), pp, architecture)
    places: Places = {}
    notes: list[str] = []
    apply(ROWS, situation, lambda place: _used(situation, place), places, notes, problems)
    if kind is None:
        notes += _built_already(situation)
    if kind is not None and checkpoint is not None:
        origin = checkpoint.origin
        problems += fitness.problems(situation, kind, origin)
        for part in (variants, quantization, rotary):
            part.resolve(situation, kind, origin, places, notes, problems)
        _fixed(situation, kind, places)
        notes += _build_notes(situation, origin)
    return Resolved(places, tuple(notes), tuple(problems))


def as_markdown() -> str:
    """Return the whole map as tables, for docs/tensorrt-llm.md."""
    return option_docs.as_markdown()


def world_problems(options: Options, world: int) -> list[str]:
    """Say where tensor and pipeline parallel degree do not make `world` ranks."""
    pp = options.pipeline_parallel_degree
    if options.tensor_parallel_degree in (None, "max"):
        if world % pp == 0:
            return []
        return [
            f"pipeline_parallel_degree={pp} (from {options.source_of('pipeline_parallel_degree')}) does not divide"
            f" the {world} MPI ranks that were started. Set one that does."
        ]
    tp = options.tensor_parallel(1)
    if tp * pp == world:
        return []
    stages = f" with pipeline_parallel_degree={pp}" if pp > 1 else ""
    ranks = f"{world} MPI rank{'s were' if world > 1 else ' was'} started"
    return [
        f"tensor_parallel_degree={tp} (from {options.source_of('tensor_parallel_degree')}){stages} needs {tp * pp}"
        f" ranks, but {ranks}. Set tensor_parallel_degree={max(world // pp, 1)}, or start {tp * pp} ranks with"
        f" engine=MPI on {tp * pp} GPUs."
    ]


def release_problems(release: Release) -> list[str]:
    """Say why a release has no engines to build or run."""
    if (release.major, release.minor) >= END:
        return [
            f"TensorRT-LLM {release} cannot build or run engines any more. Install tensorrt_llm<1.3, or set"
            " option.runtime=trtllm-pytorch with engine=Python."
        ]
    if (release.major, release.minor) < FIRST:
        return [f"TensorRT-LLM {release} is too old: 0.8 to 1.2 are taken. Use 0.12 or later."]
    return []


def _used(s: Situation, place: str) -> bool:
    if place in RUN_PLACES:
        return True
    return s.kind is not None and place != ("from_hugging_face" if s.calibrated else "quantize")


def _built_already(s: Situation) -> Iterator[str]:
    """Say which options that were set mean nothing for an engine that is there."""
    targets: dict[str, set[str]] = {}
    for row in ROWS:
        if row.covers(s.minor):
            targets.setdefault(row.option, set()).update(argument.rpartition(".")[0] for argument in row.to)
    for name, places in targets.items():
        if name not in _SERVED and places and not places & RUN_PLACES and s.is_set(name):
            yield f"{s.said(name)} has no effect: the engine was built already."
    for name in ("quantize", "rotary_base", "rotary_dim", "rotary_scaling_type", *variants.OPTIONS):
        if s.is_set(name):
            yield f"{s.said(name)} has no effect: the engine was built already."


def _fixed(s: Situation, kind: Family, places: Places) -> None:
    places["Mapping"]["world_size"] = s.tp * s.pp
    if kind.on_cpu and not s.calibrated and s.minor >= ((0, 9) if kind.llama else (0, 12)):
        # With device_map=auto each rank would spread the model over all GPUs.
        places.setdefault("from_hugging_face", {})["load_model_on_cpu"] = True


def _build_notes(s: Situation, origin: str) -> Iterator[str]:
    if s.options.dtype == "auto" and s.own_dtype == "float32":
        yield (
            f"dtype is auto and {origin} has float32 weights: the engine is built in float16. Set dtype=fp32 to keep"
            " them."
        )
    limit = s.learned_positions
    wanted = s.options.max_input_len + s.options.max_output_len
    if limit is not None and wanted > limit:
        yield (
            f"max_input_len={s.options.max_input_len} and max_output_len={s.options.max_output_len} make sequences of"
            f" {wanted} tokens; {origin} has {limit} positions, so the engine is built for {limit}."
        )
    if s.max_num_tokens > s.options.max_num_tokens:
        yield (
            f"max_num_tokens is not set and raised to max_input_len={s.max_input_len}, because a prompt runs in one"
            " step without enable_chunked_context."
        )
