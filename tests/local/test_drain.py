"""The end of a server that is answering, with tasks that do as they are told."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from djl_trtllm.local import drain as module
from djl_trtllm.local.drain import Drain


class Answering:
    """Requests as tasks; keeps what was asked of it."""

    def __init__(self, *works) -> None:
        self.tasks = {asyncio.ensure_future(work) for work in works}
        self.stopped = False
        self.cuts: set = set()

    @property
    def answering(self):
        return frozenset(self.tasks)

    def stopping(self):
        self.stopped = True

    def cut(self, tasks):
        for task in tasks:
            self.cuts.add(task)
            task.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "TELLING", 0.3)
    monkeypatch.setattr(module, "CUTTING", 0.3)


def test_nobody_is_waited_for_where_nobody_is_answered():
    async def main():
        answers = Answering()
        await Drain(answers, 60, lambda left: pytest.fail("told")).run()
        assert answers.stopped

    asyncio.run(main())


def test_requests_that_finish_are_neither_told_nor_cut():
    async def main():
        answers = Answering(asyncio.sleep(0.01), asyncio.sleep(0.2))
        await Drain(answers, 60, lambda left: pytest.fail("told")).run()
        assert all(task.done() for task in answers.tasks)
        assert not answers.cuts

    asyncio.run(main())


def test_those_that_do_not_finish_are_told_and_then_cut():
    async def main():
        heard, told = asyncio.Event(), []

        def tell(left):
            told.append(left)
            heard.set()

        answers = Answering(asyncio.sleep(0.01), heard.wait(), asyncio.sleep(60))
        await Drain(answers, 0.1, tell).run()
        assert told == [2]
        assert len(answers.cuts) == 1
        assert all(task.done() for task in answers.tasks)

    asyncio.run(main())


def test_those_that_come_meanwhile_are_not_waited_for():
    async def main():
        first = asyncio.sleep(0.05)
        answers = Answering(first)
        draining = asyncio.ensure_future(Drain(answers, 60, lambda left: pytest.fail("told")).run())
        await asyncio.sleep(0.01)
        late = asyncio.ensure_future(asyncio.sleep(60))
        answers.tasks.add(late)
        await draining
        assert not late.done()
        late.cancel()

    asyncio.run(main())


def test_a_hurry_ends_the_wait_and_even_one_that_does_not_end_is_left_behind():
    async def main():
        async def deaf():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            await asyncio.sleep(60)

        answers = Answering(deaf())
        drain = Drain(answers, 60, lambda left: None)
        began = time.monotonic()
        asyncio.get_running_loop().call_later(0.05, drain.hurry)
        await drain.run()
        assert time.monotonic() - began < 20
        (task,) = answers.tasks
        assert not task.done()
        task.cancel()

    asyncio.run(main())
