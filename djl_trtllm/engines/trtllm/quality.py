"""Compare a quantised engine with the checkpoint it was made of: which next token each takes for the likeliest.

transformers scores the texts first, in a process that gives its memory back; then the engine is opened as serving opens
it and asked for one token after each of many prefixes. The logits of a prompt, which a perplexity needs, are in no
engine that is built here: gathering them costs [tokens, vocabulary] floats a request while serving.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from djl_trtllm.compile.quality import Quality
from djl_trtllm.core import Checkpoint, Progress, Team
from djl_trtllm.engines.building import process, scores
from djl_trtllm.engines.building.measured import quality_of
from djl_trtllm.engines.building.scores import Scores
from djl_trtllm.engines.building.weights import weight_type
from djl_trtllm.engines.trtllm import build_process, probe_child, reference_child, scratch
from djl_trtllm.engines.trtllm.build_job import CHECKPOINT, SCRATCH
from djl_trtllm.engines.trtllm.probe_child import Probed, ProbeJob
from djl_trtllm.engines.trtllm.reference_child import STAGE, Reference, ReferenceJob
from djl_trtllm.engines.trtllm.resolved import Resolved
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import CompileError
from djl_trtllm.model.checkpoint import weights_bytes
from djl_trtllm.model.locate import tokenizer_directory
from djl_trtllm.options import explain
from djl_trtllm.options.table import DEFAULTS

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

MOST_PROBES = 128
"""Prefixes that the engine is asked to continue: each is a request."""

SEVERAL_RANKS = (
    "an engine of several ranks runs in the processes that serve it, one a rank, not in a child of the build"
)
NO_PERPLEXITY = "the engine gives no log-probabilities of a prompt"

Run = Callable[[str, msgspec.Struct], Mapping[str, object]]
"""Does the job of one child module and returns its result."""

_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: of the engine in `out` with the `checkpoint` that it was built from."""

    checkpoint: Checkpoint
    options: Options
    resolved: Resolved
    release: Release
    out: Path

    def quality(self, team: Team, progress: Progress, run: Run | None = None) -> Quality:
        """Return how they compare, or why that is not known. `run` does a job, by default in a child process."""
        return quality_of(
            lambda: self._measured(team, progress, run or self._in_child(progress, team.check)), self.options
        )

    def _measured(self, team: Team, progress: Progress, run: Run) -> dict[str, Any]:
        if team.size > 1:
            raise CompileError(SEVERAL_RANKS)
        work = self.out / SCRATCH
        work.mkdir()
        try:
            job = self._reference(progress)
            texts = msgspec.convert(run(reference_child.__name__, job), Reference).scores
            places = probes(texts, self.options.max_input_len)
            prefixes = [texts[text].ids[: at + 1] for text, at in places]
            tokens = msgspec.convert(run(probe_child.__name__, self._probe(prefixes)), Probed).tokens
        finally:
            shutil.rmtree(work, ignore_errors=True)
        pairs = [(texts[text].likeliest[at], token) for (text, at), token in zip(places, tokens, strict=True)]
        found = replace(
            scores.compare(texts, texts),
            agreement=scores.agreement(pairs),
            perplexity=None,
            tokens=len(pairs),
            note=NO_PERPLEXITY,
        )
        return found.content()

    def _reference(self, progress: Progress) -> ReferenceJob:
        """Prepare the checkpoint as for the build, whose own copy is gone."""
        options, checkpoint = self.options, self.checkpoint
        wanted = scratch.Wanted(
            checkpoint=checkpoint,
            patch=self.resolved.at("config.json"),
            release=self.release,
            tokenizer=tokenizer_directory(options, os.environ, progress),
            code=options.trust_remote_code,
        )
        prepared = self.out / SCRATCH / CHECKPOINT
        scratch.prepare(wanted, prepared, progress)
        arguments = {**self.resolved.at("from_hugging_face"), **self.resolved.at("quantize")}
        dtype = str(arguments["dtype"])
        return ReferenceJob(
            source=str(prepared),
            compiled=str(self.out),
            dtype=dtype,
            weights=weights_bytes(checkpoint) * _BYTES[dtype] // _BYTES[weight_type(checkpoint, "auto")],
            texts=options.calib_dataset,
            trust_remote_code=options.trust_remote_code,
            allow_pickle=options.allow_pickle_weights,
        )

    def _probe(self, prefixes: list[list[int]]) -> ProbeJob:
        asked = probe_child.properties(as_set(self.options))
        return ProbeJob(engine=str(self.out), origin=self.checkpoint.origin, options=asked, prefixes=prefixes)

    def _in_child(self, progress: Progress, check: Callable[[], None]) -> Run:
        def run(module: str, job: msgspec.Struct) -> Mapping[str, object]:
            build = process.Build(
                module=module,
                job=job,
                origin="the models",
                out=self.out,
                scratch=self.out / SCRATCH / module.rpartition(".")[2],
                memory=lambda how: f"the comparison {how}",
                environment=build_process.without_launcher,
                no_memory=build_process.NO_MEMORY,
                check=check,
                first=STAGE,
                does="compares",
            )
            return process.run(build, progress)

        return run


def problem(options: Options, world: int) -> str | None:
    """Say why a floor cannot be held, before anything is built."""
    if options.quality_floor is None or options.quantize is None or world == 1:
        return None
    return (
        f"quality_floor={options.quality_floor:g} (from {options.source_of('quality_floor')}) cannot be held with"
        f" {world} ranks: {SEVERAL_RANKS}. Remove it, and compare the model yourself; or build for one GPU."
    )


def probes(texts: Sequence[Scores], longest: int) -> list[tuple[int, int]]:
    """Return the positions to compare, evenly over all texts: (text, token), after which the next one is asked for."""
    every = [(number, at) for number, text in enumerate(texts) for at in range(min(len(text.ids), longest))]
    return every[:: -(-len(every) // MOST_PROBES)]


def as_set(options: Options) -> dict[str, str]:
    """Return the options as somebody would write them who wants the same."""
    values = {name: getattr(options, name) for name in DEFAULTS}
    return {f"option.{n}": explain.written(value) for n, value in values.items() if value != DEFAULTS[n]}
