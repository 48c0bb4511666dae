"""R20: who else is served, and in which order they came, changes nobody's greedy answer, nor a sampled one with a seed.

OpenVINO's pipeline with a tiny fp32 model in exact mode. Every answer is compared with the one that the same request
got alone. The mixes differ in how many run at a time, in their order, and in when they arrive.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from chaos.figure import Figure, at_least
from chaos.scale import Scale
from tests.support import poison
from tests.support.http_client import without_log_probs
from tests.support.java_side import Client, JavaSide

FAULT = "the same requests in other orders, at other times, in other company"
WIDTHS = (64, 17, 3)
"""How many run at a time."""


def run(scale: Scale) -> list[Figure]:
    count, mixes = scale.of(400, 60), scale.of(12, 3)
    bodies = _bodies(count)
    same = {"greedy": 0, "seeded": 0}
    with poison.openvino() as java:
        alone = [_text(_alone(java, body)) for body in bodies]
        for number in range(mixes):
            order = random.Random(number).sample(range(count), count)
            mixed = _mixed(java, [bodies[i] for i in order], WIDTHS[number % len(WIDTHS)], number)
            for i, client in zip(order, mixed, strict=True):
                same[_kind(bodies[i])] += _text(client) == alone[i]
    total = {kind: mixes * sum(_kind(body) == kind for body in bodies) for kind in same}
    return [
        at_least(
            f"R20.{kind}_answers_as_alone",
            FAULT,
            100 * same[kind] / total[kind],
            100,
            "%",
            f"{total[kind]} answers in {mixes} mixes",
        )
        for kind in same
    ]


def _bodies(count: int) -> list[dict[str, object]]:
    """Every third is drawn with a seed. One in ten has a prompt that takes several steps' worth of work."""
    made = poison.bodies(count)
    for number, body in enumerate(made):
        drawn = {"do_sample": True, "seed": number, "temperature": 1.5} if number % 3 == 0 else {}
        body["parameters"] = {"max_new_tokens": 4 + number % 37, "ignore_eos_token": True, **drawn}
        if number % 10 == 0:
            body["inputs"] = f"{body['inputs']} " * 12
    return made


def _kind(body: dict[str, object]) -> str:
    parameters = body["parameters"]
    assert isinstance(parameters, dict)
    return "seeded" if "seed" in parameters else "greedy"


def _alone(java: JavaSide, body: dict[str, object]) -> Client:
    client = java.send(body)
    java.run([client])
    return client


def _mixed(java: JavaSide, bodies: Sequence[object], width: int, seed: int) -> list[Client]:
    """Send all, at most `width` at a time, and not always as soon as there is room."""
    dice, clients = random.Random(seed), list[Client]()
    while len(clients) < len(bodies) or java.listed:
        while len(clients) < len(bodies) and len(java.listed) < width and dice.random() < 0.7:
            clients.append(java.send(bodies[len(clients)]))
        if java.listed:
            java.step()
    return clients


def _text(client: Client) -> str:
    if client.code is not None:
        raise AssertionError(f"a request failed: {client.code} {client.error}")
    return without_log_probs(client.text)
