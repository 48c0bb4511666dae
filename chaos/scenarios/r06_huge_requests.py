"""R6: prompts of 10 MB in every shape, 1e9 tokens asked for, 10,000 stop strings; beside them 32 streams run on.

At the loop, over the toy engine with steps of 50 ms and a context of 1,024 tokens. Memory is the most that the process
takes beyond what it had, in multiples of the body, or of 1 MiB where that is more, as a process takes memory in large
pieces; djl_python's own copy of the body is counted. A stall is how much longer than the others the longest step takes
while a request is prepared, in steps of the engine; the least of some repetitions, as a busy machine only ever adds to
it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chaos import memory
from chaos.figure import Figure, at_most, exactly
from chaos.scale import Scale
from tests.support.java_side import Client
from tests.support.loop import Rig, rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

FAULT = "prompts of 10 MB, 1e9 tokens asked for, 10,000 stop strings"
STEP = 0.05
STREAMS, SLOTS = 32, 64
BEFORE = 8
"""Steps before each request, of which the median is what a step takes."""
MOST_MEMORY = 3
LEAST_BODY = 2**20
MOST_STALL = 1
WORDS = "the quick brown fox "
STOPS = '"stop":[' + ",".join(f'"{number:090}"' for number in range(10_000)) + "]"
WARM = b'{"inputs":"the sea","parameters":{"stop":[' + b'"s",' * 5_000 + b'"s"]}}'
MANY = '"max_new_tokens":1000000000'


@dataclass(slots=True)
class Measured:
    """One kind of request: what each repetition took."""

    memory: list[float] = field(default_factory=list)
    stall: list[float] = field(default_factory=list)
    answers: set[int] = field(default_factory=set)


def run(scale: Scale) -> list[Figure]:
    size, repetitions = scale.of(10 * 2**20, 10 * 2**20, 2**21), scale.of(7, 3, 1)
    bodies = {name: make(size) for name, make in BODIES.items()}
    limits = toy_limits(vocab_size=tokenizer().vocab_size, max_batch_size=SLOTS)
    with rig(ToyEngine(limits=limits, step_delay=STEP), max_rolling_batch_size=str(SLOTS)) as made:
        beside = Beside(made)
        beside.measure(WARM, 3)  # what is made once, the tables and threads for odd bodies, is there then
        measured = {name: beside.measure(body, repetitions) for name, body in bodies.items()}
        disturbed = beside.failed
    worst = max(measured, key=lambda name: max(measured[name].memory))
    slowest = max(measured, key=lambda name: min(measured[name].stall))
    wrong = [name for name, one in measured.items() if one.answers != {EXPECTED.get(name, 400)}]
    kinds = f"of {len(bodies)} kinds of requests"
    times = max(measured[worst].memory)
    stall = min(measured[slowest].stall)
    figures = [
        at_most("R6.peak_memory", FAULT, times, MOST_MEMORY, "times the body", f"{worst}, the most {kinds}"),
        exactly("R6.answered_otherwise", FAULT, len(wrong), 0, "kinds", ", ".join(wrong) or f"0 {kinds}"),
        exactly("R6.streams_disturbed", FAULT, disturbed, 0, "streams", f"{STREAMS} run beside each"),
    ]
    if scale is Scale.SMALLEST:  # one repetition says nothing on a busy machine
        return figures
    detail = f"{slowest}, the longest {kinds}; the least of {repetitions}"
    return [
        *figures,
        at_most("R6.loop_stall", FAULT, stall, MOST_STALL, f"steps of {STEP * 1000:g} ms", detail),
    ]


class Beside:
    """Streams that always run, and requests beside them."""

    def __init__(self, made: Rig) -> None:
        self._java = made.java
        self._streams: list[Client] = []
        self._steps: list[float] = []
        self.failed = 0
        handle = made.java._handle

        def timed(inputs: object) -> object:
            begun = time.perf_counter()
            output = handle(inputs)
            self._steps.append(time.perf_counter() - begun)
            return output

        made.java._handle = timed

    def measure(self, body: bytes, repetitions: int) -> Measured:
        """Send the body, again and again, among running streams."""
        measured = Measured()
        for _ in range(repetitions):
            self._run(BEFORE)
            usual = statistics.median(self._steps[-BEFORE:])
            before = memory.settle()
            memory.forget_peak()
            begun = len(self._steps)
            client = self._java.send(body)
            while not client.done and not client.chunks:
                self._java.step()
            measured.memory.append((memory.peak() - before) / max(len(body), LEAST_BODY))
            measured.stall.append((max(self._steps[begun:]) - usual) / STEP)
            measured.answers.add(client.code or 200)
        return measured

    def _run(self, steps: int) -> None:
        """Step, with all streams running."""
        self.failed += sum(client.code is not None for client in self._streams)
        self._streams = [client for client in self._streams if not client.done]
        while len(self._streams) < STREAMS:
            parameters = {"max_new_tokens": 500, "ignore_eos_token": True}
            self._streams.append(
                self._java.send({"inputs": "the sea", "parameters": parameters, "stream": True})
            )
        for _ in range(steps):
            self._java.step()


def _padded(before: str, unit: str, after: str) -> Callable[[int], bytes]:
    """Make bodies of a size out of their beginning, what is repeated in them, and their end."""

    def made(size: int) -> bytes:
        times = (size - len(before.encode()) - len(after.encode())) // len(unit.encode())
        return before.encode() + unit.encode() * times + after.encode()

    return made


def _sized(body: str) -> Callable[[int], bytes]:
    """Make a body that is as large as it is."""
    return lambda _: body.encode()


BODIES: dict[str, Callable[[int], bytes]] = {
    "prose": _padded('{"inputs":"', WORDS, f'","parameters":{{{MANY}}}}}'),
    "everything": _padded('{"inputs":"', WORDS, f'","parameters":{{{MANY},{STOPS}}}}}'),
    "a character beyond 16 bits": _padded('{"inputs":"😀', WORDS, f'","parameters":{{{MANY}}}}}'),
    "Japanese": _padded('{"inputs":"', "日本語", '","stream":true}'),
    "escapes": _padded('{"inputs":"', "\\n\\u65e5", '"}'),
    "to be truncated": _padded(
        '{"inputs":"', WORDS, '","parameters":{"truncate":100,' + MANY + '},"stream":true}'
    ),
    "to be truncated, without blanks": _padded(
        '{"inputs":"', "ab", '","parameters":{"truncate":100,' + MANY + '},"stream":true}'
    ),
    "prompts": _padded('{"inputs":[', '"the quick",', f'"x"],"parameters":{{{MANY}}}}}'),
    "completion": _padded('{"prompt":"', WORDS, '","max_tokens":1000000000}'),
    "ids": _padded('{"prompt":[', "310,", "1]}"),
    "conversation": _padded(
        '{"messages":[{"role":"user","content":"😀', WORDS, '"}],"max_tokens":1000000000}'
    ),
    "messages": _padded(
        '{"messages":[', '{"role":"user","content":"hi"},', '{"role":"user","content":"hi"}]}'
    ),
    "stops": _sized(f'{{"inputs":"the sea","parameters":{{{STOPS}}}}}'),
}
EXPECTED = {"to be truncated": 200, "to be truncated, without blanks": 200}
