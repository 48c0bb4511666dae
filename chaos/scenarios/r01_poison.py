"""R1: one request in a hundred is poison; all others must not notice.

Two engines: the toy one under the supervisor, in full counts, and OpenVINO's pipeline with a tiny model, whose
`add_request` raises in the engine's own process. A third of the toy's poison is no request at all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from chaos.figure import Figure, at_least, exactly
from chaos.scale import Scale
from djl_trtllm.engines.supervisor import Supervisor
from tests.support import poison
from tests.support.http_client import without_log_probs
from tests.support.java_side import Client, JavaSide
from tests.support.loop import rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

FAULT = "1 % of the requests make the engine fail them, 64 in flight"
UNREADABLE = b'{"inputs": "the sea", "parameters": {"max_new_tokens": 8'


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a clean run and of one with poison."""

    clean: Sequence[Client]
    mixed: Sequence[Client]
    bad: set[int]

    @property
    def healthy(self) -> list[int]:
        """Positions of the requests that are no poison."""
        return [i for i in range(len(self.mixed)) if i not in self.bad]

    def failures(self) -> int:
        """Healthy requests that got an error or no end."""
        return sum(self.mixed[i].code is not None or not self.mixed[i].done for i in self.healthy)

    def same(self) -> float:
        """Percent of the healthy requests whose bytes are those of the clean run."""
        equal = sum(_bytes(self.clean[i]) == _bytes(self.mixed[i]) for i in self.healthy)
        return 100 * equal / len(self.healthy)

    def unanswered(self) -> int:
        """Poisoned requests without an error of their own."""
        return sum(self.mixed[i].code not in (400, 500) or bool(self.mixed[i].chunks) for i in self.bad)


def run(scale: Scale) -> list[Figure]:
    counts = {"toy": scale.of(10_000, 3_000, 200), "openvino": scale.of(10_000, 400)}
    figures = _figures("toy", _outcome(_toy, counts["toy"], unreadable=True))
    if scale is Scale.SMALLEST:
        return figures
    with poison.spoiling():
        return figures + _figures("openvino", _outcome(poison.openvino, counts["openvino"], unreadable=False))


@contextmanager
def _toy() -> Iterator[JavaSide]:
    limits = toy_limits(vocab_size=tokenizer().vocab_size, max_batch_size=poison.IN_FLIGHT)
    with rig(Supervisor(lambda: ToyEngine(limits=limits, fail=poison.failing))) as made:
        yield made.java


def _outcome(
    serving: Callable[[], AbstractContextManager[JavaSide]], count: int, *, unreadable: bool
) -> Outcome:
    clean: list[object] = list(poison.bodies(count))
    bad = set(random.Random(1).sample(range(count), count // 100))
    mixed = list(clean)
    for number, i in enumerate(sorted(bad)):
        mixed[i] = UNREADABLE if unreadable and number % 3 == 0 else poison.poisoned(clean[i])
    with serving() as java:
        return Outcome(poison.answers(java, clean), poison.answers(java, mixed), bad)


def _figures(engine: str, outcome: Outcome) -> list[Figure]:
    detail = f"{len(outcome.bad)} of {len(outcome.mixed)} requests are poison"
    return [
        exactly(f"R1.{engine}_healthy_failures", FAULT, outcome.failures(), 0, "requests", detail),
        at_least(f"R1.{engine}_healthy_bytes_as_in_a_clean_run", FAULT, outcome.same(), 100, "%", detail),
        exactly(
            f"R1.{engine}_poison_without_its_own_error", FAULT, outcome.unanswered(), 0, "requests", detail
        ),
    ]


def _bytes(client: Client) -> str:
    return without_log_probs(client.text)
