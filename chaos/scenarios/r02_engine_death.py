"""R2: the engine dies, or raises in a step; everybody in flight hears of it, and the next request is served.

The toy engine dies by itself; OpenVINO's process is killed, and its pipeline is made to raise in a step. 64 requests
are in flight each time, half of them in the engine. The bar for being back is what opening an engine and its first
answer take at a start, measured here as well, and a second for noticing and for taking the dead one away.
"""

from __future__ import annotations

import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.figure import Bar, Figure, exactly
from chaos.openvino_child import MODULE, RAISES
from chaos.scale import Scale
from djl_trtllm.core import Inbox
from djl_trtllm.engines.base import Engine
from djl_trtllm.engines.openvino.run import OpenVINOEngine
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.wire import Wire
from djl_trtllm.service.assembly import assemble
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support import loop
from tests.support.engines import compiled, tiny_engine_options
from tests.support.java_side import Client, JavaSide
from tests.support.toy_engine import ToyEngine, toy_limits

IN_FLIGHT, ROOM = 64, 32
PATIENCE = 60.0
TOLD = 1.0
"""Seconds within which everybody has to have heard of it."""
RESTART = 1.0
"""Seconds for noticing a death and for taking the dead engine away."""
OPENING = 0.3
"""Seconds that the toy takes to open."""


class SlowToy(ToyEngine):
    """A toy that has something to load."""

    def open(self, inbox: Inbox) -> None:
        time.sleep(OPENING)
        super().open(inbox)


@dataclass(slots=True)
class Served:
    """A supervised engine behind the loop. `fault` breaks the one that runs."""

    make: Callable[[], Engine]
    fault: Callable[[Engine], None]
    tokenizer: Tokenizer
    options: dict[str, object] = field(default_factory=dict)
    engines: list[Engine] = field(default_factory=list)

    def begin(self) -> tuple[JavaSide, Callable[[], None], float]:
        """Open; return Java's side, how to end, and the seconds until the first answer."""
        begun, inbox, wire = time.monotonic(), QueueInbox(), Wire()
        supervisor = Supervisor(self._make)
        supervisor.open(inbox)
        options = tiny_engine_options(max_rolling_batch_size=ROOM, **self.options)
        batch = assemble(options, supervisor, inbox, self.tokenizer, wire.item_chars)
        java = JavaSide(lambda inputs: wire.write(batch.step(wire.read(inputs, batch.active))))
        answered(java)
        seconds = time.monotonic() - begun

        def end() -> None:
            batch.close()
            supervisor.close()

        return java, end, seconds

    def _make(self) -> Engine:
        self.engines.append(self.make())
        return self.engines[-1]


@dataclass(slots=True)
class Measured:
    """Seconds, one of each kind a round, and requests that ended otherwise than with a retryable error."""

    starts: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    untyped: int = 0


def run(scale: Scale) -> list[Figure]:
    rounds = scale.of(9, 2, 1)
    figures = _figures("toy", "the toy engine dies", _measure(_toy(), rounds))
    if scale is Scale.SMALLEST:
        return figures
    figures += _figures("killed", "OpenVINO's process is killed", _measure(_openvino(_kill), rounds))
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        trigger = Path(directory, "raise")
        os.environ[RAISES] = str(trigger)
        raising = _openvino(lambda _: trigger.touch(), MODULE)
        measured = _measure(raising, rounds)
    return figures + _figures("raising", "OpenVINO's pipeline raises in a step", measured)


def _toy() -> Served:
    limits = toy_limits(vocab_size=loop.tokenizer().vocab_size, max_batch_size=ROOM)
    return Served(lambda: SlowToy(limits=limits, step_delay=0.01), _die, loop.tokenizer())


def _openvino(fault: Callable[[Engine], None], module: str | None = None) -> Served:
    model, options = compiled("llama"), {"openvino_kv_cache": 16384}

    def make() -> OpenVINOEngine:
        engine = OpenVINOEngine(model, tiny_engine_options(max_rolling_batch_size=ROOM, **options))
        if module is not None:
            engine._child._module = module
        return engine

    return Served(make, fault, Tokenizer.load(model.text_path), options)


def _die(engine: Engine) -> None:
    assert isinstance(engine, ToyEngine)
    engine.die()


def _kill(engine: Engine) -> None:
    assert isinstance(engine, OpenVINOEngine)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)


def _measure(served: Served, rounds: int) -> Measured:
    """Every round begins with a start, so that starts and restarts are measured under the same load."""
    measured = Measured()
    for _ in range(rounds):
        java, end, seconds = served.begin()
        measured.starts.append(seconds)
        clients = [java.send(_body(i)) for i in range(IN_FLIGHT)]
        while not all(client.chunks for client in clients[: ROOM // 2]):
            java.step()
        running = [client for client in clients if not client.done]
        begun = time.monotonic()
        served.fault(served.engines[-1])
        finish(java, running)
        measured.told.append(time.monotonic() - begun)
        answered(java)
        measured.back.append(time.monotonic() - begun)
        measured.untyped += sum(not retryable(client) for client in running)
        end()
    return measured


def answered(java: JavaSide) -> None:
    """Send a request, again where it is told to, until it is answered."""
    deadline = time.monotonic() + PATIENCE
    while True:
        client = java.send({"inputs": "the sea", "parameters": {"max_new_tokens": 2}})
        finish(java, [client])
        if client.code is None:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"nobody was served for {PATIENCE:g} s: {client.code} {client.error}")


def retryable(client: Client) -> bool:
    """Whether a client was told, with a status or in a last line, that the engine broke and that it may retry."""
    if client.code is not None:
        return client.code == 503
    last = client.lines[-1]
    return last.get("error_code") == "engine_restarting" and last.get("retryable") is True


def finish(java: JavaSide, clients: Sequence[Client]) -> None:
    """Step until all of these have had their last reply."""
    deadline = time.monotonic() + PATIENCE
    while not all(client.done for client in clients):
        if time.monotonic() > deadline:
            raise AssertionError(f"{PATIENCE:g} s were not enough for an end to {len(clients)} requests")
        java.step()


def _body(number: int) -> dict[str, object]:
    """A stream that ends by itself long after the fault."""
    parameters = {"max_new_tokens": 400, "ignore_eos_token": True}
    return {"inputs": f"the sea {number}", "parameters": parameters, "stream": True}


def _figures(name: str, fault: str, measured: Measured) -> list[Figure]:
    start = statistics.median(measured.starts)
    told, back = sorted(measured.told), sorted(measured.back)
    rounds = f"{len(told)} times with {IN_FLIGHT} in flight"
    allowed = f"{start:.2f} s for a start, {RESTART:g} s for the restart"
    return [
        Figure(
            id=f"R2.{name}_told",
            fault=fault,
            value=told[-1],
            unit="s",
            bar=Bar("<=", TOLD),
            detail=f"the longest of {rounds}",
            spread=(told[0], told[-1]),
        ),
        Figure(
            id=f"R2.{name}_serving_again",
            fault=fault,
            value=statistics.median(back),
            unit="s",
            bar=Bar("<=", round(start + RESTART, 2)),
            detail=f"median of {rounds}; {allowed}",
            spread=(back[0], back[-1]),
        ),
        exactly(f"R2.{name}_not_told_to_retry", fault, measured.untyped, 0, "requests", rounds),
    ]
