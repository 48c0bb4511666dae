"""One request in a hundred makes the engine fail it; all others give the same bytes as in a clean run.

The real pipeline refuses the poisoned ones: their sampling is spoiled behind the last check of ours, so that
`add_request` raises in the engine's own process. Half of them do so in mid-batch with streams around them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from djl_trtllm.engines.openvino import run
from djl_trtllm.engines.openvino import sampling as translation
from djl_trtllm.engines.openvino.run import OpenVINOEngine
from djl_trtllm.errors import GenerationFailed
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.wire import Wire
from djl_trtllm.service.assembly import assemble
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support.engines import compiled, tiny_engine_options
from tests.support.http_client import without_log_probs
from tests.support.java_side import Client, JavaSide

pytestmark = pytest.mark.compile

IN_FLIGHT = 64
POISON_SEED = 666
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
    parameters = {"max_new_tokens": 8, "do_sample": True, "seed": POISON_SEED}
    return {**body, "parameters": parameters}


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests of one seed reach the pipeline with a value that it refuses."""

    def spoil(request: object) -> object:
        made = translation.sequenced(request)
        if made.sampling.seed != POISON_SEED:
            return made
        return msgspec.structs.replace(
            made, sampling=msgspec.structs.replace(made.sampling, repetition_penalty=-1.0)
        )

    monkeypatch.setattr(run, "sequenced", spoil)


@contextmanager
def serving() -> Iterator[JavaSide]:
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


def answers(java: JavaSide, wanted: list[dict[str, object]]) -> list[Client]:
    """Send everything with `IN_FLIGHT` requests at a time."""
    clients: list[Client] = []
    while len(clients) < len(wanted) or java.listed:
        while len(clients) < len(wanted) and len(java.listed) < IN_FLIGHT:
            clients.append(java.send(wanted[len(clients)]))
        java.step()
    return clients


@pytest.mark.usefixtures("poison")
@pytest.mark.parametrize("count", [600, pytest.param(5000, marks=pytest.mark.long)])
def test_all_others_give_the_same_bytes(count: int, tmp_path: Path) -> None:
    clean = bodies(count)
    bad = set(random.Random(1).sample(range(count), count // 100))
    mixed = [poisoned(body) if i in bad else body for i, body in enumerate(clean)]
    with serving() as java:
        alone = answers(java, clean)
        beside = answers(java, mixed)
    assert all(beside[i].code == GenerationFailed.status and not beside[i].chunks for i in bad)
    different = [
        i
        for i in range(count)
        if i not in bad and without_log_probs(alone[i].text) != without_log_probs(beside[i].text)
    ]
    assert different == []
    assert all(client.code is None and client.done for i, client in enumerate(beside) if i not in bad)
