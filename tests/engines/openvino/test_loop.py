"""The child's loop over a pipeline that does what the test says, and over a real one that is poisoned."""

from __future__ import annotations

import enum
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from djl_trtllm.core import EngineRequest, SamplingParams
from djl_trtllm.engines.openvino import messages as m
from djl_trtllm.engines.openvino.child import construct
from djl_trtllm.engines.openvino.link import Link
from djl_trtllm.engines.openvino.loop import BrokenPipelineError, Loop, first_line, out_of_memory
from djl_trtllm.engines.openvino.sampling import sequenced
from tests.support.engines import compiled


class Status(enum.Enum):
    RUNNING = 0
    FINISHED = 1
    IGNORED = 2
    CANCEL = 3


class Handle:
    """Gives token `id * 10 + n`; refuses to be read when there is nothing, where the real one would hang."""

    def __init__(self, id_: int, budget: int) -> None:
        self.id = id_
        self.budget = budget
        self.given = 0
        self.outputs: list[dict[int, Any]] = []
        self.status = Status.RUNNING

    def can_read(self) -> bool:
        return bool(self.outputs)

    def read(self) -> dict[int, Any]:
        assert self.outputs, "read() without can_read() would hang for ever"
        return self.outputs.pop(0)

    def get_status(self) -> Status:
        return self.status

    def cancel(self) -> None:
        self.status = Status.CANCEL

    def advance(self) -> None:
        token = self.id * 10 + self.given
        self.given += 1
        last = self.given >= self.budget
        reason = SimpleNamespace(value=2 if last else 0)
        self.outputs.append(
            {0: SimpleNamespace(generated_ids=[token], generated_log_probs=[-0.5], finish_reason=reason)}
        )
        if last:
            self.status = Status.FINISHED


@dataclass
class Pipeline:
    """`before(pipeline)` runs at the start of each step and may raise."""

    before: Callable[[Pipeline], None] = lambda pipeline: None
    handles: list[Handle] = field(default_factory=list)
    steps: int = 0

    def add_request(self, id_: int, prompt: bytes, config: m.Sequenced) -> Handle:
        if prompt == m.pack_ids([13]):
            raise RuntimeError("Exception from src/x.cpp:1:\nNo such luck.\n")
        self.handles.append(Handle(id_, config.sampling.max_new_tokens))
        return self.handles[-1]

    def step(self) -> None:
        self.steps += 1
        self.before(self)
        for handle in self.handles:
            if handle.status is Status.RUNNING:
                handle.advance()

    def get_metrics(self) -> Any:
        running = sum(handle.status is Status.RUNNING for handle in self.handles)
        return SimpleNamespace(scheduled_requests=running, cache_usage=50.0)


class Rig:
    """The loop in a thread, and the parent's end of its connection."""

    def __init__(self, pipeline: Any, loop: Callable[[Link], Loop]) -> None:
        self.pipeline = pipeline
        ours, theirs = socket.socketpair()
        self.link = Link(ours)
        self._theirs = Link(theirs)
        self.raised: BaseException | None = None
        self._loop = loop(self._theirs)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._loop.run()
        except BrokenPipelineError as error:
            self.raised = error
        finally:
            self._theirs.close()

    def submit(self, *requests: tuple[int, list[int], int], logprobs: bool = False) -> None:
        self.link.send(
            m.encode(
                m.Submit(
                    [
                        sequenced(EngineRequest(i, p, SamplingParams(n, logprobs=logprobs)))
                        for i, p, n in requests
                    ]
                )
            )
        )

    def collect(self, *ids: int) -> dict[int, tuple[list[int], int]]:
        """Read steps until all of `ids` have ended: their tokens and endings."""
        tokens: dict[int, list[int]] = {i: [] for i in ids}
        ends: dict[int, int] = {}
        while len(ends) < len(ids):
            received = self.link.receive(30)
            assert received, "the loop says nothing"
            for data in received:
                step = m.decode_to_parent(data)
                assert isinstance(step, m.Step)
                for chunk in step.chunks:
                    if chunk.id in tokens:
                        assert chunk.id not in ends
                        tokens[chunk.id] += chunk.tokens
                        if chunk.end != m.GOING:
                            ends[chunk.id] = chunk.end
        return {i: (tokens[i], ends[i]) for i in ids}

    def close(self) -> None:
        self.link.close()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(before: Callable[[Pipeline], None] = lambda pipeline: None) -> Rig:
        pipeline = Pipeline(before)
        ends = {0: m.GOING, 1: m.STOPPED, 2: m.LENGTH}
        rigs.append(Rig(pipeline, lambda link: Loop(pipeline, link, lambda s: s, lambda p: p, ends)))
        return rigs[-1]

    yield make
    for each in rigs:
        each.close()


def test_tokens_come_in_order_and_end(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.submit((100, [1], 3), (101, [1], 2))
    assert r.collect(100, 101) == {100: ([10, 11, 12], m.LENGTH), 101: ([20, 21], m.LENGTH)}


def test_a_refused_request_is_news_even_when_nothing_runs(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.submit((1, [13], 3))
    assert r.collect(1) == {1: ([], m.REFUSED)}
    r.submit((2, [13], 3), (3, [1], 1))
    assert r.collect(2, 3) == {2: ([], m.REFUSED), 3: ([30], m.LENGTH)}


def test_a_step_that_raises_ends_everybody_and_the_next_are_served(rig: Callable[..., Rig]) -> None:
    def before(pipeline: Pipeline) -> None:
        if pipeline.steps == 3:
            # A token that nobody has read yet must not be lost.
            pipeline.handles[0].advance()
            raise RuntimeError("poison")

    r = rig(before)
    r.submit((1, [1], 50), (2, [1], 50))
    outcome = r.collect(1, 2)
    assert outcome == {1: ([10, 11, 12], m.BROKEN), 2: ([20, 21], m.BROKEN)}
    assert all(handle.status is Status.CANCEL for handle in r.pipeline.handles)
    r.submit((3, [1], 2))
    assert r.collect(3) == {3: ([30, 31], m.LENGTH)}
    assert r.pipeline.steps == 4 + 2


def test_a_pipeline_that_stays_broken_ends_the_process(rig: Callable[..., Rig]) -> None:
    def before(pipeline: Pipeline) -> None:
        if pipeline.steps >= 2:
            raise RuntimeError("poison for good")

    r = rig(before)
    r.submit((1, [1], 50))
    r.thread.join(30)
    assert isinstance(r.raised, BrokenPipelineError)
    assert r.raised.kind == m.OTHER


def test_memory_that_runs_out_ends_the_process_at_once(rig: Callable[..., Rig]) -> None:
    def before(pipeline: Pipeline) -> None:
        raise RuntimeError("std::bad_alloc")

    r = rig(before)
    r.submit((1, [1], 50))
    r.thread.join(30)
    assert isinstance(r.raised, BrokenPipelineError)
    assert r.raised.kind == m.MEMORY
    assert r.pipeline.steps == 1


@pytest.mark.parametrize("empty_read", [True, False])
def test_no_room_in_the_cache_is_told(rig: Callable[..., Rig], empty_read: bool) -> None:
    def before(pipeline: Pipeline) -> None:
        if pipeline.steps == 3:
            pipeline.handles[0].status = Status.IGNORED
            if empty_read:
                pipeline.handles[0].outputs.append({})

    r = rig(before)
    r.submit((1, [1], 50), (2, [1], 4))
    assert r.collect(1, 2) == {1: ([10, 11], m.IGNORED), 2: ([20, 21, 22, 23], m.LENGTH)}


def test_cancelled_ones_are_silent_and_stepped_out(rig: Callable[..., Rig]) -> None:
    steps = threading.Event()
    r = rig(lambda pipeline: None if pipeline.steps < 3 else steps.wait(30) and None)
    r.submit((1, [1], 10**6))
    r.link.send(m.encode(m.Cancel([1, 99])))
    steps.set()
    r.submit((2, [1], 2))
    assert r.collect(2) == {2: ([20, 21], m.LENGTH)}
    assert r.pipeline.handles[0].status is Status.CANCEL


def test_a_cancelled_one_is_stepped_out_in_one_step(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.submit((1, [1], 10**6))
    r.link.receive(30)
    handle, cancelled = r.pipeline.handles[0], []
    cancel = handle.cancel
    handle.cancel = lambda: (cancelled.append(r.pipeline.steps), cancel())  # type: ignore[method-assign]
    r.link.send(m.encode(m.Cancel([1])))
    loads = [1]
    while loads[-1]:
        steps = [m.decode_to_parent(data) for data in r.link.receive(30) or ()]
        loads += [step.load.running for step in steps if step.load is not None]
    # The loop's last step is over, and it waits for messages now.
    r.submit((2, [1], 1))
    assert r.collect(2) == {2: ([20], m.LENGTH)}
    assert r.pipeline.steps == cancelled[0] + 2


def test_close_cancels_what_runs(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.submit((1, [1], 10**6))
    r.link.receive(30)
    r.link.send(m.encode(m.Close()))
    # Somebody has to read, or the loop waits for room to write.
    while r.link.receive(30) is not None:
        pass
    r.thread.join(30)
    assert r.pipeline.handles[0].status is Status.CANCEL
    assert r.raised is None


def test_a_pipeline_that_does_nothing_does_not_spin(rig: Callable[..., Rig]) -> None:
    def before(pipeline: Pipeline) -> None:
        for handle in pipeline.handles:
            handle.status = Status.RUNNING
            handle.advance = lambda: None  # type: ignore[method-assign]

    r = rig(before)
    r.pipeline.get_metrics = lambda: SimpleNamespace(scheduled_requests=0, cache_usage=0.0)
    r.submit((1, [1], 5))
    assert r.link.receive(0.3) == []
    assert 3 < r.pipeline.steps <= 301


def test_the_telling_line_of_an_exception() -> None:
    native = RuntimeError(
        "Exception from src/a.cpp:60:\nCheck 'x' failed at src/b.cpp:1:\nWeights are missing.\n\n"
    )
    assert first_line(native) == "Weights are missing"
    assert first_line(RuntimeError("")) == "RuntimeError"
    assert out_of_memory(RuntimeError("std::bad_alloc"))
    assert out_of_memory(MemoryError())
    assert not out_of_memory(native)


@pytest.mark.compile
def test_a_real_pipeline_recovers_from_poison() -> None:
    """A guided request without a tokenizer passes `add_request` and throws in `step()`."""
    import openvino_genai as genai

    exact = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    start = m.Start(str(compiled("llama").path), 32, 256, 8, False, exact, [2])
    poison = genai.GenerationConfig(
        max_new_tokens=8, structured_output_config=genai.StructuredOutputConfig(json_schema="{")
    )

    def loop(link: Link) -> Loop:
        made = construct(start, link)
        plain = made._config
        made._config = lambda s: poison if s.sampling.max_new_tokens == 13 else plain(s)
        return made

    r = Rig(None, loop)
    try:
        r.submit((1, [300, 301], 40))
        clean = r.collect(1)[1]
        assert clean[1] == m.LENGTH
        r.submit((2, [300, 301], 40), (3, [300], 13))
        outcome = r.collect(2, 3)
        assert outcome[3] == ([], m.BROKEN)
        assert outcome[2][1] == m.BROKEN
        assert outcome[2][0] == clean[0][: len(outcome[2][0])]
        r.submit((4, [300, 301], 40), (5, [300, 301], 40))
        assert r.collect(4, 5) == {4: clean, 5: clean}
    finally:
        r.close()
