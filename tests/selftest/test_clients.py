from __future__ import annotations

import pytest

from djl_trtllm.selftest.clients import Clients
from djl_trtllm.selftest.verdict import CheckFailed
from tests.selftest.test_checks import Served, engine
from tests.support.loop import rig


def test_requests_end_and_are_forgotten() -> None:
    with rig(engine()) as running:
        clients = Clients(Served(running), 5.0)
        one, two = clients.send("the quick", max_new_tokens=3), clients.send("fox", max_new_tokens=5)
        clients.finish([one])
        clients.finish()
        assert (len(one.tokens), len(two.tokens)) == (3, 5)
        assert two.text
        assert running.loop.active == 0


def test_waiting_has_an_end() -> None:
    made = engine()
    with rig(made) as running:
        made.pause()
        clients = Clients(Served(running), 0.2)
        clients.send("the quick", max_new_tokens=3)
        with pytest.raises(CheckFailed, match="1 of 1 requests had no end after 0 s"):
            clients.finish()


def test_forgetting_voids_what_runs() -> None:
    made = engine(step_delay=0.01)
    with rig(made) as running:
        clients = Clients(Served(running), 5.0)
        lost = clients.send("the quick", max_new_tokens=120)
        while not lost.data:
            clients.step()
        clients.forget()
        clients.step()
        assert (running.loop.active, made.stats().running, lost.done) == (0, 0, False)


def test_a_reply_too_few_is_found() -> None:
    with rig(engine()) as running:
        served = Served(running)
        served.change = lambda replies: replies[:-1]
        clients = Clients(served, 1.0)
        clients.send("the quick", max_new_tokens=3)
        with pytest.raises(CheckFailed, match="a step with 1 requests had 0 replies"):
            clients.step()


def test_the_tokens_of_an_error_are_an_error() -> None:
    with rig(engine()) as running:
        clients = Clients(Served(running), 5.0)
        bad = clients.send("", max_new_tokens=3)
        clients.finish()
        with pytest.raises(CheckFailed, match="answered with an error"):
            bad.tokens  # noqa: B018
        with pytest.raises(CheckFailed, match="answered with an error"):
            bad.text  # noqa: B018
