"""R10 at the loop: requests are cancelled at random points, and nothing of them stays or goes on.

DJL never tells Python of a client that left, so what cancels is all that can: a stop string, the server voiding
everybody (`reset_rollingbatch`), and the engine's own `cancel`. Wasted are the tokens that the engine makes after the
loop was told. OpenVINO's steps take 10 ms, as no tiny model's do: a cancel takes time, not steps.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from chaos import objects
from chaos.figure import Bar, Figure, exactly
from chaos.openvino_child import MODULE, STEP
from chaos.scale import Scale
from djl_trtllm.core import TokenChunk
from djl_trtllm.engines.openvino import messages as m
from djl_trtllm.engines.openvino.run import OpenVINOEngine
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.loop import RollingBatch
from djl_trtllm.rolling_batch.wire import Wire
from djl_trtllm.service.assembly import assemble
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support import loop
from tests.support.engines import compiled, tiny_engine_options
from tests.support.java_side import JavaSide
from tests.support.toy_engine import ToyEngine, _Running, toy_limits

IN_FLIGHT = 64
STEP_SECONDS = 0.01
MOST_STEPS = 12
"""Requests are cancelled after 1 to so many steps."""
LONG = 400
"""Tokens that a request would have."""
MOST_WASTED = 2


@dataclass
class Waste:
    """Which sequences are cancelled, and the tokens that were made for each afterwards."""

    cancelled: set[int] = field(default_factory=set)
    after: dict[int, int] = field(default_factory=dict)

    def made(self, id_: int, tokens: int) -> None:
        """Tokens have come of a sequence."""
        if id_ in self.cancelled:
            self.after[id_] = self.after.get(id_, 0) + tokens


class Toy(ToyEngine):
    """The toy engine, that tells of every token and of every cancel."""

    waste: Waste

    def cancel(self, ids: Sequence[int]) -> None:
        self.waste.cancelled.update(ids)
        super().cancel(ids)

    def _advance(self, running: _Running) -> TokenChunk:
        chunk = super()._advance(running)
        self.waste.made(chunk.id, len(chunk.tokens))
        return chunk


class OpenVINO(OpenVINOEngine):
    """Tells of every token that its child sends, and of every cancel."""

    waste: Waste

    def cancel(self, ids: Sequence[int]) -> None:
        self.waste.cancelled.update(ids)
        super().cancel(ids)

    def _on_step(self, step: m.Step) -> None:
        for chunk in step.chunks:
            self.waste.made(chunk.id, len(chunk.tokens))
        super()._on_step(step)


@dataclass(slots=True)
class Served:
    """An engine behind the loop, and the ids of what runs in it."""

    engine: Toy | OpenVINO
    batch: RollingBatch
    java: JavaSide

    @property
    def running(self) -> list[int]:
        """Sequences that have not ended."""
        return list(self.batch._live)


def run(scale: Scale) -> list[Figure]:
    figures = []
    for serving in (_toy,) if scale is Scale.SMALLEST else (_toy, _openvino):
        with serving() as served:
            for name, fault, storm in STORMS:
                figures += _figures(served, name, fault, storm, scale.of(1_000, 200, 24))
    return figures


@contextmanager
def _toy() -> Iterator[Served]:
    limits = toy_limits(vocab_size=loop.tokenizer().vocab_size, max_batch_size=IN_FLIGHT)
    with _behind_a_loop(Toy(limits=limits, step_delay=STEP_SECONDS), loop.tokenizer()) as served:
        yield served


@contextmanager
def _openvino() -> Iterator[Served]:
    model, os.environ[STEP] = compiled("llama"), str(STEP_SECONDS)
    engine = OpenVINO(model, tiny_engine_options(max_rolling_batch_size=IN_FLIGHT, openvino_kv_cache=32768))
    engine._child._module = MODULE
    with _behind_a_loop(engine, Tokenizer.load(model.text_path)) as served:
        yield served


@contextmanager
def _behind_a_loop(engine: Toy | OpenVINO, tokenizer: Tokenizer) -> Iterator[Served]:
    engine.waste = Waste()
    inbox, wire = QueueInbox(), Wire()
    engine.open(inbox)
    options = tiny_engine_options(max_rolling_batch_size=IN_FLIGHT)
    batch = assemble(options, engine, inbox, tokenizer, wire.item_chars)
    try:
        yield Served(engine, batch, JavaSide(lambda x: wire.write(batch.step(wire.read(x, batch.active)))))
    finally:
        batch.close()
        engine.close()


Storm = Callable[[Served, int, random.Random], None]


def _stopped(served: Served, count: int, dice: random.Random) -> None:
    """Every request meets one of three letters, sooner or later."""
    java, sent = served.java, 0
    while sent < count or java.listed:
        while sent < count and len(java.listed) < IN_FLIGHT:
            java.send(_body(stop=dice.sample("aeinorst ", 3)))
            sent += 1
        java.step()


def _voided(served: Served, count: int, dice: random.Random) -> None:
    """The server forgets its batch, again and again."""
    java, sent = served.java, 0
    while sent < count:
        for _ in range(min(IN_FLIGHT, count - sent)):
            java.send(_body())
            sent += 1
        for _ in range(dice.randint(1, MOST_STEPS)):
            java.step()
        java.fail()
    java.step()


def _cancelled(served: Served, count: int, dice: random.Random) -> None:
    """Somebody cancels sequences while they run."""
    java, sent = served.java, 0
    while sent < count or java.listed:
        while sent < count and len(java.listed) < IN_FLIGHT:
            java.send(_body())
            sent += 1
        java.step()
        leaving = [id_ for id_ in served.running if dice.randrange(MOST_STEPS) == 0]
        served.engine.cancel(leaving)


STORMS: tuple[tuple[str, str, Storm], ...] = (
    ("stopped", "requests meet stop strings at random points", _stopped),
    ("voided", "the server voids all requests at random points", _voided),
    ("cancelled", "sequences are cancelled at random points", _cancelled),
)


def _body(**parameters: object) -> dict[str, object]:
    more = {"max_new_tokens": LONG, "ignore_eos_token": True, **parameters}
    return {"inputs": "the sea is far away", "parameters": more, "stream": True}


def _figures(served: Served, name: str, fault: str, storm: Storm, count: int) -> list[Figure]:
    waste = served.engine.waste
    storm(served, 8, random.Random(0))  # what is made once is there afterwards
    _idle(served)
    before = objects.alive()
    waste.cancelled.clear()
    waste.after.clear()
    storm(served, count, random.Random(count))
    _idle(served)
    left = objects.grown(before)
    stats = served.engine.stats()
    kept = left.total() + stats.running + stats.waiting + served.batch.active + len(served.running)
    cancels, wasted = len(waste.cancelled), waste.after.values()
    who = f"{type(served.engine).__name__.lower()}_{name}"
    return [
        exactly(
            f"R10.{who}_leaked", fault, kept, 0, "objects", f"{objects.told(left)} after {count} requests"
        ),
        Figure(
            id=f"R10.{who}_wasted",
            fault=fault,
            value=sum(wasted) / max(cancels, 1),
            unit="tokens per cancel",
            bar=Bar("<=", MOST_WASTED),
            detail=f"{cancels} cancels of {count} requests",
            spread=(0 if len(wasted) < cancels else min(wasted), max(wasted, default=0)),
        ),
    ]


def _idle(served: Served) -> None:
    """Let the engine say what it still has to say, and the loop take it."""
    time.sleep(20 * STEP_SECONDS)
    served.java.step()
