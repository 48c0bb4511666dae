"""DJL's entry point: loads once, answers, never raises."""

from __future__ import annotations

import os

import pytest
from djl_python.inputs import Input
from djl_python.outputs import Output

from djl_trtllm import service, worker
from djl_trtllm.errors import OptionsError, RankError
from djl_trtllm.ranks import ending
from djl_trtllm.rolling_batch.whole import answer
from tests.support.java_side import JavaSide, decode_item
from tests.support.loop import Rig, rig

BODY = {"inputs": "the fox", "parameters": {"max_new_tokens": 3}, "stream": True}


class FakeService(service.Service):
    """A service around a rig; `broken` makes its steps raise."""

    given = None

    def __init__(self, made: Rig) -> None:
        self.options = made.options
        self.broken = False
        self.resets = 0
        self._rig = made

    @property
    def active(self) -> int:
        return self._rig.loop.active

    @property
    def lost(self) -> str:
        return "it failed 5 times in a row" if self._rig.loop.over else ""

    def step(self, step):
        if self.broken:
            raise ZeroDivisionError("secret prompt text")
        return self._rig.loop.step(step)

    def answer(self, arrivals):
        return answer(self._rig.loop, arrivals)

    def reset(self):
        self.resets += 1
        self._rig.loop.reset()


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "_part", worker._load)
    monkeypatch.setattr(ending, "last_words", lambda speak: None)


def loaded(monkeypatch: pytest.MonkeyPatch, made: Rig) -> FakeService:
    fake = FakeService(made)
    monkeypatch.setattr(service, "load", lambda properties, environ, chars: fake)
    assert worker.handle(Input()) is None
    return fake


def test_the_empty_call_loads_and_steps_are_answered(fresh, monkeypatch):
    with rig() as made:
        loaded(monkeypatch, made)
        java = JavaSide(worker.handle)
        client = java.send(BODY)
        java.run()
        assert worker.handle(Input()) is None, "a second load call changes nothing"
    assert len(client.lines) == 3


def test_a_failed_load_is_answered_with_its_reason(fresh, monkeypatch):
    def fail(*_):
        raise OptionsError("max_input_len=many is no number.", "quantize=int3 is unknown.")

    monkeypatch.setattr(service, "load", fail)
    output = worker.handle(Input())
    assert (output.code, output.message) == (
        503,
        "max_input_len=many is no number. quantize=int3 is unknown.",
    )


def test_a_defect_while_loading_is_answered_too(fresh, monkeypatch):
    monkeypatch.setattr(service, "load", lambda *_: 1 / 0)
    output = worker.handle(Input())
    assert output.code == 503
    assert "ZeroDivisionError" in output.message


def test_a_defect_in_a_step_fails_that_step_and_no_later_one(fresh, monkeypatch, caplog):
    with rig() as made:
        fake = loaded(monkeypatch, made)
        java = JavaSide(worker.handle)
        running = java.send({**BODY, "parameters": {"max_new_tokens": 400}})
        fake.broken = True
        java.step()
        assert (running.code, running.done) == (500, True)
        assert fake.resets == 1
        fake.broken = False
        client = java.send(BODY)
        java.run()
        assert len(client.lines) == 3
    assert "secret" not in caplog.text


def test_lmi_codes_by_option(fresh, monkeypatch):
    with rig(error_codes="lmi") as made:
        loaded(monkeypatch, made)
        java = JavaSide(worker.handle)
        client = java.send(b"{")
        java.run()
    assert client.code == 424


def test_without_rolling_batch_each_call_is_answered_whole(fresh, monkeypatch):
    with rig(rolling_batch="disable") as made:
        loaded(monkeypatch, made)
        inputs = Input()
        inputs.properties["Content-Type"] = "application/json"
        inputs.content.add(
            key="data", value=bytearray(b'{"inputs": "the fox", "parameters": {"max_new_tokens": 4}}')
        )
        output = worker.handle(inputs)
        assert output.code == 200
        assert b"generated_text" in output.content.value_at(0)
        inputs.content.values[0] = bytearray(b"{")
        refused = worker.handle(inputs)
    assert refused.code == 400


def test_a_lost_engine_ends_the_worker_inside_a_call(fresh, monkeypatch):
    class Ended(BaseException):
        pass

    def leave(status):
        raise Ended(status)

    monkeypatch.setattr(os, "_exit", leave)
    with rig() as made:
        loaded(monkeypatch, made)
        java = JavaSide(worker.handle)
        made.engine.die()
        client = java.send(BODY)
        java.run()
        assert client.code == 503, "the first to come after the death is still answered"
        inputs = Input()
        inputs.properties["batch_size"] = "1"
        inputs.content.add(key="batch_000.data", value=bytearray(b"{}"))
        with pytest.raises(Ended):
            worker.handle(inputs)


def test_items_of_a_failed_step_are_codes(fresh):
    inputs = Input()
    inputs.properties["batch_size"] = "2"
    output = worker.Wire().failed(inputs, OptionsError("No."))
    assert [decode_item(bytes(v))["code"] for v in output.content.values] == ["503", "503"]


class FakeFollowing:
    """What a load returns on a rank other than 0; its replies are those given."""

    def __init__(self, options, replies):
        self.options = options
        self._replies = iter(replies)

    def reply(self):
        reply = next(self._replies)
        if isinstance(reply, Exception):
            raise reply
        return reply


def step(size: int = 1) -> Input:
    inputs = Input()
    inputs.properties["batch_size"] = str(size)
    for index in range(size):
        inputs.content.add(key=f"batch_{index:03d}.data", value=bytearray(b"{}"))
    return inputs


def test_a_follower_replies_what_rank_0_replies_and_only_when_it_is_asked(fresh, monkeypatch):
    first, lost = Output(message="of rank 0"), RankError("Rank 0 failed: a secret.")
    with rig() as made:
        following = FakeFollowing(made.options, [first, lost])
        monkeypatch.setattr(service, "load", lambda *_: following)
        assert worker.handle(Input()) is None
        assert worker.handle(Input()) is None, "a second load call changes nothing"
        assert worker.handle(step()) is first
        failed = worker.handle(step(2))
    codes = [decode_item(bytes(value))["code"] for value in failed.content.values]
    assert codes == ["503", "503"], "positional, whatever happened"


def test_rank_0_passes_every_reply_on_but_those_to_empty_calls(fresh, monkeypatch):
    class Given:
        def __init__(self):
            self.replies = []

        def answered(self, reply):
            self.replies.append(reply)

    with rig() as made:
        fake = FakeService(made)
        fake.given = given = Given()
        monkeypatch.setattr(service, "load", lambda *_: fake)
        assert worker.handle(Input()) is None
        assert worker.handle(Input()) is None
        assert given.replies == []
        output = worker.handle(step())
        fake.broken = True
        failed = worker.handle(step())
    assert given.replies == [output, failed]


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_rank_whose_load_failed_answers_and_ends(fresh, monkeypatch, rank):
    ended = []
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", rank)
    monkeypatch.setattr(ending, "end", lambda *how: ended.append(how))
    monkeypatch.setattr(ending, "end_without_mpi", lambda: None)
    fail = RankError("Rank 1 failed: Too little memory.")
    fail.status = 507

    def load(*_):
        raise fail

    monkeypatch.setattr(service, "load", load)
    output = worker.handle(Input())
    assert (output.code, output.message) == (507, "Rank 1 failed: Too little memory.")
    assert ended == [(int(rank), "Rank 1 failed: Too little memory.")]
