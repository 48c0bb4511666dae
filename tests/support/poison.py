"""Many requests of all kinds, and some among them that the engine fails or that are no requests.

The real pipeline refuses the poisoned ones: their sampling is spoiled behind the last check of ours, so that
`add_request` raises in the engine's own process. Half of them do so in mid-batch with streams around them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

import msgspec

from djl_trtllm.core import EngineRequest
from djl_trtllm.engines.openvino import run
from djl_trtllm.engines.openvino import sampling as translation
from djl_trtllm.engines.openvino.run import OpenVINOEngine
from djl_trtllm.errors import DjlTrtllmError, GenerationFailed
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.wire import Wire
from djl_trtllm.service.assembly import assemble
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support.engines import compiled, tiny_engine_options
from tests.support.java_side import Client, JavaSide

IN_FLIGHT = 64
SEED = 666
WORDS = [
    "the",
    "sea",
    "is",
    "far",
    "away",
    "and",
    "every",
    "small",
    "boat",
    "Жила-была",
    "девочка",
    "昔々",
    "König",
]


def bodies(count: int) -> list[dict[str, object]]:
    """Streams and whole answers, with and without details, greedy and sampled, some with stop strings."""
    dice = random.Random(count)
    made: list[dict[str, object]] = []
    for _ in range(count):
        parameters: dict[str, object] = {
            "max_new_tokens": dice.randint(1, 12),
            "details": dice.random() < 0.3,
        }
        if dice.random() < 0.3:
            parameters |= {"do_sample": True, "seed": dice.randint(1000, 9999)}
        if dice.random() < 0.1:
            parameters["stop"] = [dice.choice("aeiou")]
        prompt = " ".join(dice.choices(WORDS, k=dice.randint(1, 12)))
        made.append({"inputs": prompt, "parameters": parameters, "stream": dice.random() < 0.5})
    return made


def poisoned(body: dict[str, object]) -> dict[str, object]:
    """The same request, so that an engine under `spoiling`, or `failing`, fails it."""
    return {**body, "parameters": {"max_new_tokens": 8, "do_sample": True, "seed": SEED}}


def failing(request: EngineRequest) -> DjlTrtllmError | None:
    """For `ToyEngine(fail=...)`."""
    return GenerationFailed("The engine failed.") if request.sampling.seed == SEED else None


@contextmanager
def spoiling() -> Iterator[None]:
    """Let poisoned requests reach the pipeline with a value that it refuses."""

    def spoil(request: EngineRequest) -> object:
        made = translation.sequenced(request)
        if made.sampling.seed != SEED:
            return made
        return msgspec.structs.replace(
            made, sampling=msgspec.structs.replace(made.sampling, repetition_penalty=-1.0)
        )

    with mock.patch.object(run, "sequenced", spoil):
        yield


@contextmanager
def openvino() -> Iterator[JavaSide]:
    """The real pipeline over the tiny llama, with room for `IN_FLIGHT`."""
    options = tiny_engine_options(max_rolling_batch_size=IN_FLIGHT, openvino_kv_cache=16384)
    model, inbox, wire = compiled("llama"), QueueInbox(), Wire()
    engine = OpenVINOEngine(model, options)
    engine.open(inbox)
    loop = assemble(options, engine, inbox, Tokenizer.load(model.text_path), wire.item_chars)
    try:
        yield JavaSide(lambda inputs: wire.write(loop.step(wire.read(inputs, loop.active))))
    finally:
        loop.close()
        engine.close()


def answers(java: JavaSide, wanted: Sequence[object]) -> list[Client]:
    """Send everything with `IN_FLIGHT` requests at a time."""
    clients: list[Client] = []
    while len(clients) < len(wanted) or java.listed:
        while len(clients) < len(wanted) and len(java.listed) < IN_FLIGHT:
            clients.append(java.send(wanted[len(clients)]))
        java.step()
    return clients
