"""The process that asks an engine just built for the next token after each of many prefixes, greedily.

It opens the engine as serving does, through the same adapter, so that what is measured is what will be served.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from djl_trtllm.core import CompiledModel, EngineRequest, Progress, SamplingParams, TokenChunk
from djl_trtllm.engines.base import Engine
from djl_trtllm.engines.building import child
from djl_trtllm.engines.building.measured import without_directories
from djl_trtllm.engines.building.news import Failed
from djl_trtllm.engines.trtllm.reference_child import STAGE
from djl_trtllm.errors import CompileError, DjlTrtllmError, LoadError

_SAY_EVERY = 1.0


class ProbeJob(msgspec.Struct, frozen=True, kw_only=True):
    """Continue each of `prefixes` by one token with the engine in `engine`; `options` as in serving.properties."""

    engine: str
    origin: str
    options: dict[str, str]
    prefixes: list[list[int]]


class Probed(msgspec.Struct, frozen=True):
    """What comes of it: one token a prefix."""

    tokens: list[int]


def probe(job: ProbeJob, progress: Progress) -> dict[str, object]:
    """Do one job, and return a `Probed` as JSON values."""
    from djl_trtllm.engines.trtllm import engine_links, run
    from djl_trtllm.options import sources
    from djl_trtllm.ranks import Solo

    progress.stage(STAGE, 50.0)
    options = sources.read(job.options, {})
    model = engine_links.openable(CompiledModel(Path(job.engine), job.origin), options)
    tokens = next_tokens(run.engine(model, options, Solo()), job.prefixes, progress)
    return dict(msgspec.to_builtins(Probed(tokens)))


def next_tokens(engine: Engine, prefixes: Sequence[Sequence[int]], progress: Progress) -> list[int]:
    """Open an engine, ask for the likeliest token after each prefix, and close it. `CompileError` where one fails."""
    inbox = _Inbox(len(prefixes))
    engine.open(inbox)
    try:
        sampling = SamplingParams(max_new_tokens=1, ignore_eos=True, num_beams=engine.features.beam_width)
        engine.submit([EngineRequest(number, prefix, sampling) for number, prefix in enumerate(prefixes)])
        while not inbox.wait(_SAY_EVERY):
            progress.stage(STAGE, 50.0 + 50.0 * inbox.ended / len(prefixes))
    finally:
        engine.close()
    if inbox.error is not None:
        raise CompileError(f"the engine did not answer: {inbox.error}")
    return [inbox.tokens[number] for number in range(len(prefixes))]


class _Inbox:
    """Keeps the first token of every sequence, and the first error; `ended` counts endings."""

    def __init__(self, expected: int) -> None:
        self.tokens: dict[int, int] = {}
        self.ended = 0
        self.error: DjlTrtllmError | None = None
        self._expected = expected
        self._news = threading.Condition()

    def put(self, chunks: Sequence[TokenChunk]) -> None:
        """Take what an engine step produced."""
        with self._news:
            for chunk in chunks:
                if chunk.tokens:
                    self.tokens.setdefault(chunk.id, chunk.tokens[0])
                self.ended += chunk.finish is not None or chunk.error is not None
                self.error = self.error or chunk.error or self._empty(chunk)
            self._news.notify()

    def dead(self, error: DjlTrtllmError) -> None:
        """Take the engine's end."""
        with self._news:
            self.error = error
            self._news.notify()

    def wait(self, seconds: float) -> bool:
        """Wait for news; whether everything has ended, or something failed."""
        with self._news:
            return self._news.wait_for(
                lambda: self.error is not None or self.ended == self._expected, seconds
            )

    def _empty(self, chunk: TokenChunk) -> DjlTrtllmError | None:
        if chunk.finish is not None and chunk.id not in self.tokens:
            return CompileError("A sequence ended without a token.")
        return None


def properties(options: Mapping[str, str]) -> dict[str, str]:
    """Return options for the engine's short life: guides are not asked for."""
    return {**options, "guided_decoding": "off"}


def failed(error: BaseException, job: ProbeJob) -> Failed:
    """Say what ended the job."""
    known = child.verdict(error, Path(job.engine))
    if known is not None:
        return known
    if isinstance(error, LoadError):
        return Failed("build", list(error.problems))
    text = child.first_lines(without_directories(str(error) or type(error).__name__), 300)
    return Failed("build", [f"the engine does not run: {type(error).__name__}: {text}"])


if __name__ == "__main__":
    raise SystemExit(child.main(ProbeJob, probe, failed))
