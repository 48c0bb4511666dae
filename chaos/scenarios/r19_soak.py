"""R19: tiny requests without end, in which everything happens that may happen to one.

At the loop, over the supervised toy engine, as DJL drives it: streams and whole answers of all formats, stop strings,
refusals, requests that the engine fails, steps after which DJL voids everybody, and engines that die. Memory is what
the kernel says once free memory was given back; its slope is the line through the second half of the samples.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaos import memory, objects
from chaos.figure import Figure, at_most, exactly
from chaos.scale import Scale
from djl_trtllm.engines.supervisor import Supervisor
from tests.support import poison
from tests.support.loop import Rig, rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

FAULT = "tiny requests without end, among them cancelled, stopped, failed and refused ones, and dying engines"
SAMPLES = 20
VOID_ONE_IN = 500
"""Steps, after one of which DJL has lost its batch."""
DEATHS = 10
BODIES: tuple[object, ...] = (
    {"inputs": "the sea", "parameters": {"max_new_tokens": 2}},
    {"inputs": "the sea", "parameters": {"max_new_tokens": 3}, "stream": True},
    {"inputs": "the sea", "parameters": {"max_new_tokens": 2, "details": True}},
    {"inputs": "the sea", "parameters": {"max_new_tokens": 8, "stop": ["e", "xyz"]}, "stream": True},
    {"inputs": "the sea", "parameters": {"max_new_tokens": 8, "stop": [" "]}},
    {"inputs": "the sea", "parameters": {"max_new_tokens": 1, "n": 3, "do_sample": True, "details": True}},
    {"messages": [{"role": "user", "content": "the sea"}], "max_tokens": 2},
    {"messages": [{"role": "user", "content": "the sea"}], "max_tokens": 3, "stream": True},
    {"prompt": "the sea", "max_tokens": 2},
    {"inputs": "the sea", "parameters": {"max_new_tokens": 2, "output_formatter": "sse"}, "stream": True},
    {"inputs": ["the sea", "a boat"], "parameters": {"max_new_tokens": 2}},
    {"inputs": "", "parameters": {"max_new_tokens": -1}},
    poison.poisoned({"inputs": "the sea", "stream": True}),
)
LARGE: object = {"inputs": "the sea " * 3_000}
"""Prepared in a thread of its own, and refused."""
LARGE_ONE_IN = 100
UNREADABLE = b'{"inputs": "the sea"'


@dataclass(slots=True)
class Soak:
    """One soak: requests sent, and (requests, bytes of memory) as they were sampled.

    The engine steps in the loop's own thread: handing over between threads of Python takes longer than all the rest.
    """

    engines: list[ToyEngine] = field(default_factory=list)
    sent: int = 0
    voided: int = 0
    answered: int = 0
    samples: list[tuple[int, int]] = field(default_factory=list)

    def make(self) -> ToyEngine:
        """Another engine, after one that died; only the last one is kept."""
        limits = toy_limits(vocab_size=tokenizer().vocab_size, max_batch_size=poison.IN_FLIGHT)
        self.engines[:] = [ToyEngine(limits=limits, fail=poison.failing, threaded=False)]
        return self.engines[0]

    def run(self, made: Rig, requests: int, *, sampled: bool = False) -> None:
        """Keep `IN_FLIGHT` requests in flight until so many were sent, then let all end."""
        until, every = self.sent + requests, requests // SAMPLES
        java, dice, bodies = made.java, random.Random(requests), _bodies()
        while self.sent < until or java.listed:
            while self.sent < until and len(java.listed) < poison.IN_FLIGHT:
                java.send(next(bodies))
                self.sent += 1
                if sampled and self.sent % every == 0:
                    self.samples.append((self.sent, memory.settle()))
                if self.sent % (requests // DEATHS) == requests // DEATHS // 2:
                    self.engines[0].die()
            before = len(java.listed)
            self.engines[0].step()
            java.step()
            self.answered += before - len(java.listed)
            if dice.randrange(VOID_ONE_IN) == 0:
                self.voided += len(java.listed)
                java.fail()


def run(scale: Scale) -> list[Figure]:
    requests = scale.of(1_000_000, 50_000, 2_000)
    soak = Soak()
    with rig(Supervisor(soak.make, delay=0.0)) as made:
        soak.run(made, scale.of(50_000, 5_000, 1_000))  # what is made once is there afterwards
        before, sent = objects.alive(), soak.sent
        soak.run(made, requests, sampled=scale is not Scale.SMALLEST)
        made.java.step()  # DJL says of the last batch that it is void
        left = objects.grown(before)
        unended = soak.sent - soak.answered - soak.voided
        stats = made.engine.stats()
        running = stats.running + stats.waiting + made.loop.active
    done = f"{soak.sent - sent:,} requests, {soak.voided:,} of them voided"
    figures = [
        exactly(
            "R19.live_request_objects",
            FAULT,
            left.total(),
            0,
            "objects",
            f"{objects.told(left)} after {done}",
        ),
        exactly("R19.still_running", FAULT, running, 0, "sequences", "in the engine and in the loop"),
        exactly("R19.without_an_end", FAULT, unended, 0, "requests", done),
    ]
    if scale is Scale.SMALLEST:  # too few for a line
        return figures
    slope = _slope(soak.samples[SAMPLES // 2 :]) * 100_000 / 2**20
    first, last = soak.samples[0][1] / 2**20, soak.samples[-1][1] / 2**20
    detail = f"from {first:.1f} to {last:.1f} MiB in {done}"
    return [at_most("R19.memory_slope", FAULT, slope, 1, "MiB per 100k requests", detail), *figures]


def _bodies() -> Iterator[bytes]:
    dice = random.Random(19)
    tiny, large = [*(json.dumps(body).encode() for body in BODIES), UNREADABLE], json.dumps(LARGE).encode()
    while True:
        yield large if dice.randrange(LARGE_ONE_IN) == 0 else dice.choice(tiny)


def _slope(samples: list[tuple[int, int]]) -> float:
    """The slope of the line with the least squares."""
    count = len(samples)
    middle_x, middle_y = sum(x for x, _ in samples) / count, sum(y for _, y in samples) / count
    above = sum((x - middle_x) * (y - middle_y) for x, y in samples)
    return above / sum((x - middle_x) ** 2 for x, _ in samples)
