"""The stand-in's batch gives every request its tokens and one ending, however it is filled, paused and cancelled."""

from __future__ import annotations

import random

import pytest

from tests.contract.tensorrt_llm_stand_in.behaviours import jobs, tokens
from tests.contract.tensorrt_llm_stand_in.behaviours.kv_cache import KvCache, capacity
from tests.contract.tensorrt_llm_stand_in.behaviours.scheduler import Scheduler
from tests.contract.tensorrt_llm_stand_in.behaviours.world import Alone


def some_jobs(chance: random.Random, kv: KvCache) -> list[jobs.Job]:
    """Requests that each fit into the cache alone."""
    made = []
    for number in range(12):
        prompt = [chance.randrange(3, 900) for _ in range(chance.randint(1, 20))]
        count, sequences = chance.randint(1, 40), chance.choice([1, 1, 2])
        if kv.blocks(len(prompt) + sequences * (count + 2)) <= kv.total:
            strands = jobs.strands(prompt, {"top_k": 5, "seed": number}, sequences=sequences)
            made.append(jobs.Job(number, prompt, count, strands, streaming=chance.random() < 0.7))
    return made


def told(lane: jobs.Lane) -> list[int]:
    fresh = lane.tokens[lane.told :]
    lane.told = len(lane.tokens)
    return fresh


@pytest.mark.parametrize("seed", range(40))
def test_every_request_ends_once_with_its_own_tokens(seed: int) -> None:
    chance = random.Random(seed)
    kv = KvCache(chance.randint(8, 40), 8)
    scheduler = Scheduler(Alone(), kv, chance.randint(1, 6), 1000, evict=chance.random() < 0.5)
    everyone = some_jobs(chance, kv)
    coming, cancelled = list(everyone), set()
    ended: set[int] = set()
    heard: dict[tuple[int, int], list[int]] = {}
    while coming or scheduler.running or scheduler.waiting:
        if coming and chance.random() < 0.5:
            scheduler.waiting.append(coming.pop())
        if scheduler.running and chance.random() < 0.05:
            gone = chance.choice(list(scheduler.running))
            assert scheduler.cancel(gone)
            cancelled.add(gone)
        for news in [] if scheduler.stuck else scheduler.step():
            assert news.job.id not in ended
            heard.setdefault((news.job.id, news.strand.index), []).extend(told(news.strand.lanes[0]))
            if news.last:
                ended.add(news.job.id)
        assert kv.used <= kv.total
    assert (kv.used, scheduler.cancelled) == (0, {})
    assert ended == {job.id for job in everyone}
    for job in everyone:
        for strand in job.strands if job.id not in cancelled else ():
            assert heard[job.id, strand.index] == tokens.expected_tokens(
                job.prompt, job.max_tokens, vocab_size=1000, top_k=5, seed=job.id, sequence=strand.index
            )


def test_a_request_that_can_never_fit_waits_for_ever() -> None:
    scheduler = Scheduler(Alone(), KvCache(2, 8), 4, 1000)
    scheduler.waiting.append(jobs.Job(1, [5], 40, jobs.strands([5], {})))
    assert scheduler.stuck
    assert scheduler.cancel(1)
    assert [news.final for _ in range(3) for news in scheduler.step()] == [True]


def test_the_size_of_the_cache() -> None:
    assert capacity(None, None, 1000) == 900
    assert capacity(None, 0.5, 1000) == 500
    assert capacity(300, None, 1000) == 300
    assert capacity(300, 0.2, 1000) == 200


def test_blocks_of_prompts_are_counted_when_they_come_again() -> None:
    kv = KvCache(10, 4, reuse=True)
    for prompt in ([1, 2, 3, 4, 5], [1, 2, 3, 4, 6], [1, 2, 3, 5]):
        kv.remember(prompt)
    assert kv.reused == 1
