"""Rank 0's replies reach the ranks that DJL asks too, in step."""

from __future__ import annotations

import threading
import time

import pytest
from djl_python.outputs import Output

from djl_trtllm.errors import CompileError, RankError
from djl_trtllm.ranks.mailbox import Kind
from djl_trtllm.ranks.replies import Given, Taken
from tests.support.post import teams


def test_nothing_is_sent_while_nobody_asks() -> None:
    first, second = teams(2)
    given = Given(first)
    for number in range(100):
        given.answered(number)
    time.sleep(0.3)
    assert second.mailbox.poll(Kind.REPLY) is None


@pytest.mark.parametrize("late", [0.0, 0.35], ids=["asks first", "answers first"])
def test_each_call_gets_the_same_reply_on_every_rank(late: float) -> None:
    ranks = teams(3)
    given, others = Given(ranks[0]), [Taken(rank) for rank in ranks[1:]]
    replies = [Output(message=f"reply {number}").add(b"x" * number, "data") for number in range(50)]
    got: list[list[object]] = [[], []]
    turn = threading.Barrier(3)

    def follow(index: int) -> None:
        for number in range(len(replies)):
            if number == 0:
                time.sleep(late)
            got[index].append(others[index].next())
            turn.wait(20)

    threads = [threading.Thread(target=follow, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for number, reply in enumerate(replies):
        if number == 0:
            time.sleep(0.35 - late)
        given.answered(reply)
        turn.wait(20)
    for thread in threads:
        thread.join(20)
    for taken in got:
        assert [(one.message, one.content.value_at(0)) for one in taken] == [
            (one.message, one.content.value_at(0)) for one in replies
        ]


def test_nobody_waits_for_a_reply_of_a_team_that_failed() -> None:
    first, second = teams(2)
    taken = Taken(second)
    first.fail(CompileError("gone"))
    with pytest.raises(RankError, match="Rank 0 failed: gone"):
        taken.next()


def test_a_reply_that_comes_with_the_failure_is_still_taken() -> None:
    first, second = teams(2)
    given, taken = Given(first), Taken(second)
    second.ends()
    threading.Timer(0.02, given.answered, ["told"]).start()
    first.mailbox.send(1, Kind.REPLY, (1, "told"))
    assert taken.next() == "told"
