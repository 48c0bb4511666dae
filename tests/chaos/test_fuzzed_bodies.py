"""Bodies that no client should send, through everything between DJL's wire and the engine.

Each is answered, with a status that fits, and a healthy request beside them gets the same bytes as alone.
"""

from __future__ import annotations

import random

import pytest

from tests.support.fuzzed_bodies import CANARY, SEEDS, engine, fuzzed, is_json_object, wrong
from tests.support.java_side import Client
from tests.support.loop import Rig, rig

BATCH = 32


def healthy(r: Rig) -> Client:
    return r.java.send({"inputs": "the lazy dog", "parameters": {"max_new_tokens": 12}, "stream": True})


@pytest.mark.parametrize("count", [4000, pytest.param(20_000, marks=pytest.mark.long)])
def test_every_body_is_answered_and_disturbs_nobody(count: int, caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(count)
    with rig(engine()) as r:
        alone = healthy(r)
        r.java.run()
        for _ in range(count // BATCH):
            clients = [r.java.send(fuzzed(dice)) for _ in range(BATCH - 1)]
            beside = healthy(r)
            r.java.run()
            assert beside.text == alone.text
            found = [f"{problem}: {client.body!r}" for client in clients if (problem := wrong(client))]
            assert not found
            assert all(client.code or is_json_object(client.body) for client in clients)
    assert CANARY not in caplog.text


def test_good_bodies_are_good() -> None:
    """Else the fuzzing would only ever see refusals."""
    with rig(engine()) as r:
        clients = [r.java.send(body) for body in SEEDS]
        r.java.run()
    assert [client.code for client in clients] == [None] * len(SEEDS), [client.error for client in clients]
