"""The loop's only place to wait."""

import threading
import time

from djl_trtllm.core import TokenChunk
from djl_trtllm.errors import EngineRestarting, InternalError
from djl_trtllm.rolling_batch.inbox import QueueInbox


def test_wait_takes_everything_that_is_there_in_order():
    inbox = QueueInbox()
    inbox.put([TokenChunk(1)])
    inbox.put([TokenChunk(2), TokenChunk(3)])
    assert [[c.id for c in chunks] for chunks in inbox.wait(1)] == [[1], [2, 3]]
    assert inbox.drain() == []


def test_wait_ends_at_the_deadline():
    inbox = QueueInbox()
    start = time.monotonic()
    assert inbox.wait(0.05) == []
    assert 0.04 < time.monotonic() - start < 1


def test_a_put_from_another_thread_wakes_the_waiter_at_once():
    inbox = QueueInbox()
    threading.Timer(0.05, inbox.put, [[TokenChunk(7)]]).start()
    start = time.monotonic()
    assert inbox.wait(30)[0][0].id == 7
    assert time.monotonic() - start < 5


def test_death_wakes_the_waiter_and_is_remembered():
    inbox = QueueInbox()
    error = InternalError("gone")
    inbox.dead(error)
    inbox.wait(30)
    assert inbox.death is error


def test_the_first_death_counts():
    inbox = QueueInbox()
    first = EngineRestarting("first")
    inbox.dead(first)
    inbox.dead(EngineRestarting("second"))
    assert inbox.death is first
    assert inbox.wait(1) == [(), ()]
