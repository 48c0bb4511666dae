"""What is counted, in a process of its own: `python -m bench.counts_side <file for the names> <what> ...`.

Runs under callgrind; what it needs of the tokenizer was made before, since training one takes a minute there.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from bench import djl, vocabularies, workload
from bench.callgrind import span
from bench.schedule import Schedule, read
from djl_trtllm.rolling_batch.loop import RollingBatch, Step
from djl_trtllm.rolling_batch.slot import Replies
from djl_trtllm.telemetry.meter import Meter
from djl_trtllm.text.tokenizer import Tokenizer

TOKENS = 24
"""Tokens of an answer: one in the step of its arrival, one in its last, the others streamed in between."""
STREAMED = TOKENS - 2
TOGETHER, STEP = 3, 1 / (TOKENS - 1.5)
"""Requests that end together in the counts of their log, and seconds of a step there: what is done once a second, as
writing the log, is so done exactly once in the steps that are counted."""
MODEL = djl.BUILD / "model"
ANSWERS = djl.BUILD / "answers.json"
LONG, SHORT = 8192, 128
"""Tokens of one long answer, and of each of the short ones that it is cut into."""


def prepare() -> None:
    """Write what the handler's counts read: the tokenizer and the answers."""
    workload.save_tokenizer(MODEL)
    answers = [[a.ids, a.texts, a.logprobs] for a in workload.sequences(TOKENS)]
    ANSWERS.write_text(json.dumps(answers))


def prepare_texts() -> None:
    """Write what the counts of detokenising read: a tokenizer of each kind, and a long answer."""
    for kind in vocabularies.KINDS:
        directory = vocabularies.save(kind, djl.BUILD / "vocabularies" / kind)
        (ids,) = vocabularies.answers(kind, 1, LONG)
        (directory / "ids.json").write_text(json.dumps(ids))


def answers() -> list[workload.Sequence]:
    """The prepared answers."""
    return [workload.Sequence(*answer) for answer in json.loads(ANSWERS.read_text())]


def schedule(**options: str) -> Schedule:
    """Our handler, loaded, with further options."""
    return Schedule(djl.VERSIONS[0], answers(), MODEL, **options)


def bodies(streams: int) -> list[bytes]:
    """The bench's usual requests: jsonlines with details."""
    return [workload.body(prompt, TOKENS, details=True) for prompt in workload.prompts(streams)]


def handler(count: Callable[[str], None], *streams: str) -> None:
    """Count a generation after one that warmed up: its first step, its streaming, its last step."""
    loaded = schedule()
    for number in streams:
        _generation(count, loaded, int(number), number)


def upstream(count: Callable[[str], None], *streams: str) -> None:
    """Count the streaming of upstream's own handler, whose toolkit costs nothing and has finished texts."""
    version = djl.VERSIONS[0]
    djl.use(version)
    with mock.patch("bench.workload.sequences", return_value=answers()):
        handle = import_module("bench.upstream").load(version, TOKENS).handle
    frames = workload.Frames(version)

    def run(inputs: list[Any]) -> None:
        for one in inputs:
            handle(one)

    for number in streams:
        first = frames.arrivals(bodies(int(number)))
        steady = frames.steady(int(number))
        for _ in range(2):  # once to warm up
            run([read(first)])
            span(partial(run, [read(steady) for _ in range(STREAMED)]), count, f"streamed/{number}")
            run([read(steady)])


def log(count: Callable[[str], None]) -> None:
    """Count steps in which some requests end, with the request log and without, by a clock of its own."""
    for setting in ("sizes", "off"):
        with _clock(STEP):
            loaded = schedule(log_requests=setting)
            for name in ("warm", setting):
                for _ in range(TOKENS):
                    loaded.run(loaded.arrival(bodies(TOGETHER)))
                span(partial(loaded.run, loaded.steps(TOKENS - 1)), count, name)


class Unmetered(RollingBatch):
    """The loop without what a step does for the metrics, but for the sum of its chunks."""

    def step(self, step: Step) -> Replies:
        self.beats += 1
        try:
            arrivals = self._receive(step)
            if arrivals:
                self._admit(arrivals)
            self._advance()
            return self._emit()
        finally:
            self.beats += 1


def metrics(count: Callable[[str], None], streams: str) -> None:
    """Count a generation with metrics, one in whose streaming they are counted, and one without; none is logged."""
    for name, step in (("on", 0.0), ("counted", STEP)):
        with _clock(step):
            _generation(count, schedule(log_requests="off"), int(streams), name)
    with (
        mock.patch("djl_trtllm.service.assembly.RollingBatch", Unmetered),
        mock.patch.object(Meter, "ended", list),
    ):
        loaded = schedule(log_requests="off")
        _generation(count, loaded, int(streams), "off")


def _clock(step: float) -> AbstractContextManager[object]:
    """Have the loop's clock go by `step` seconds a step of it: it is read twice in each, where there is news."""
    clock = itertools.count(0.0, step / 2)
    return mock.patch("djl_trtllm.rolling_batch.loop.time", SimpleNamespace(monotonic=clock.__next__))


def _generation(count: Callable[[str], None], loaded: Schedule, streams: int, name: str) -> None:
    posted = bodies(streams)
    loaded.generation(posted)
    for part, prepare in loaded.spans(posted):
        span(partial(loaded.run, prepare()), count, f"{part}/{name}")


def detokenise(count: Callable[[str], None]) -> None:
    """Count the same tokens as one long answer and as many short ones."""
    for kind in vocabularies.KINDS:
        directory = djl.BUILD / "vocabularies" / kind
        tokenizer = Tokenizer.load(directory)
        ids = json.loads((directory / "ids.json").read_text())
        one, many = [ids], [ids[at : at + SHORT] for at in range(0, LONG, SHORT)]
        _decode(tokenizer, one)
        for name, answers in (("long", one), ("short", many)):
            span(partial(_decode, tokenizer, answers), count, f"{kind}/{name}")


def _decode(tokenizer: Tokenizer, answers: list[list[int]]) -> None:
    for ids in answers:
        detokenizer = tokenizer.detokenizer((), True)
        deque(map(detokenizer.step, ids), 0)
        detokenizer.flush()


KINDS = {"handler": handler, "upstream": upstream, "log": log, "metrics": metrics, "detokenise": detokenise}


def main(file: str, kind: str, *arguments: str) -> None:
    """Count, and leave the names of the spans in `file`."""
    names: list[str] = []
    gc.disable()  # by chance it runs in one span and not in the other
    KINDS[kind](names.append, *arguments)
    Path(file).write_text(json.dumps(names))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
