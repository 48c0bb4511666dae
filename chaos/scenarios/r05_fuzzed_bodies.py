"""R5: malformed JSON, wrong types, NaN, names that stand twice, and depth bombs, of every request schema.

They go the way of every body, from DJL's wire to the engine, 31 beside one healthy request. Refused must be what
Python's own JSON reader, made strict, refuses; what it takes may be answered or refused, with a 400 or 413.
"""

from __future__ import annotations

import random

from chaos.figure import Figure, exactly
from chaos.scale import Scale
from tests.support.fuzzed_bodies import engine, fuzzed, wrong
from tests.support.java_side import Client
from tests.support.loop import Rig, rig

FAULT = "bodies with malformed JSON, wrong types, NaN, repeated names, depth bombs"
BATCH = 32
SEED = 5


def run(scale: Scale) -> list[Figure]:
    """Send them all, in batches."""
    count = scale.of(full=100_000, quick=5_000, smallest=300)
    dice = random.Random(SEED)
    uncaught, bad, disturbed, sent = 0, 0, 0, 0
    with rig(engine(), log_requests="off") as made:
        alone = _healthy(made)
        made.java.run()
        while sent < count:
            clients = [made.java.send(fuzzed(dice)) for _ in range(BATCH - 1)]
            beside = _healthy(made)
            try:
                made.java.run()
            except Exception:  # whatever comes out of a step, DJL would fail every request of it
                uncaught += 1
                made.loop.reset()
                made.java.fail()
            sent += len(clients)
            found = [problem for client in clients if (problem := wrong(client))]
            for problem in found:
                print(problem)
            bad += len(found)
            disturbed += beside.text != alone.text
    detail = f"{sent:,} bodies, {BATCH - 1} in a step"
    return [
        exactly("R5.uncaught", FAULT, uncaught, 0, "steps", detail),
        exactly("R5.wrong_status", FAULT, bad, 0, "bodies", detail),
        exactly("R5.disturbed", FAULT, disturbed, 0, "healthy requests", "one in each batch"),
    ]


def _healthy(made: Rig) -> Client:
    return made.java.send({"inputs": "the lazy dog", "parameters": {"max_new_tokens": 12}, "stream": True})
