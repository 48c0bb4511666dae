"""Responses as the library gives them, in the ways that the stand-in does not take."""

from __future__ import annotations

from collections.abc import Sequence as Items
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from djl_trtllm.core import EngineRequest, FinishReason, SamplingParams
from djl_trtllm.engines.trtllm.flight import Flight
from djl_trtllm.engines.trtllm.gpt_responses import Answer, GptReader
from djl_trtllm.engines.trtllm.responses import Reader
from djl_trtllm.engines.trtllm.sequences import Ends, Sequence
from djl_trtllm.errors import GenerationFailed, InvalidRequest
from tests.support.collector import Collector


class Reasons(Enum):
    NOT_FINISHED = 0
    END_ID = 1
    STOP_WORDS = 2
    LENGTH = 3
    TIMED_OUT = 4
    CANCELLED = 5


NEW, OLD = SimpleNamespace(FinishReason=Reasons), SimpleNamespace()


class Rig:
    """One sequence, id 1 and handle 70, between a client and a reader."""

    def __init__(self, bindings: Any = NEW, ends: Ends = Ends((2, 3)), **sampling: object) -> None:  # noqa: B008
        self.flight, self.news = Flight(), Collector()
        self.flight.begin(self.news)
        params = SamplingParams(**{"max_new_tokens": 4, **sampling})  # type: ignore[arg-type]
        self.flight.add({70: Sequence.of(EngineRequest(1, [50, 51], params), ends)})
        self.reader = Reader(bindings, self.flight)

    def read(self, *responses: Any) -> None:
        self.flight.put(self.reader.read(responses))
        self.news.check()

    def outcome(self) -> tuple[list[int], FinishReason | None]:
        return self.news.tokens(1), self.news.finish(1)


def result(
    tokens: Items[int], reason: Reasons | None = None, *, handle: int = 70, **more: object
) -> SimpleNamespace:
    values = {
        "is_final": reason is not None,
        "output_token_ids": [list(tokens)],
        "finish_reasons": [reason or Reasons.NOT_FINISHED],
        "log_probs": None,
        **more,
    }
    return SimpleNamespace(request_id=handle, has_error=lambda: False, result=SimpleNamespace(**values))


def failure(text: str, handle: int = 70) -> SimpleNamespace:
    return SimpleNamespace(request_id=handle, has_error=lambda: True, error_msg=text)


def test_the_decoder_leaves_its_end_token_out() -> None:
    rig = Rig()
    rig.read(result([7]), result([], Reasons.END_ID))
    assert rig.outcome() == ([7, 2], FinishReason.EOS)
    assert (rig.flight.handles, rig.flight.live) == ({}, {})


def test_a_stop_word_is_an_end_token_of_ours() -> None:
    rig = Rig()
    rig.read(result([7]), result([3], Reasons.STOP_WORDS))
    assert rig.outcome() == ([7, 3], FinishReason.EOS)


def test_before_reasons_were_told_they_are_worked_out() -> None:
    for last, expected in (([8], [7, 8, 2]), ([], [7, 2]), ([8, 9, 3], [7, 8, 9, 3])):
        rig = Rig(OLD)
        rig.read(result([7]), result(last, is_final=True))
        assert rig.outcome() == (expected, FinishReason.EOS)
    rig = Rig(OLD)
    rig.read(result([7]), result([8, 9, 4], is_final=True))
    assert rig.outcome() == ([7, 8, 9, 4], FinishReason.LENGTH)


@pytest.mark.parametrize("reason", [Reasons.NOT_FINISHED, Reasons.TIMED_OUT, Reasons.CANCELLED])
def test_what_the_engine_drops_by_itself_is_an_error(reason: Reasons) -> None:
    rig = Rig()
    rig.read(result([7]), result([], reason, is_final=True))
    assert isinstance(rig.news.error(1), GenerationFailed)


def test_responses_of_nobody_are_skipped() -> None:
    rig = Rig()
    rig.read(result([7], handle=71), failure("fetching new request", handle=72), result([8]))
    assert rig.news.tokens(1) == [8]


def test_what_comes_after_a_cancel_is_dropped_until_the_last_response() -> None:
    rig = Rig()
    rig.read(result([7]))
    assert rig.flight.cancel([1, 1, 9]) == [70]
    rig.read(result([8]))
    assert 70 in rig.flight.handles
    rig.read(result([], Reasons.CANCELLED, is_final=True))
    assert rig.outcome() == ([7], FinishReason.CANCELLED)
    assert rig.flight.handles == {}


def test_an_error_after_a_cancel_is_nobody_s() -> None:
    for text in (
        "Encountered an error in forwardAsync function",
        "Encountered an error when fetching new request",
    ):
        rig = Rig()
        rig.flight.cancel([1])
        rig.read(failure(text))
        assert rig.news.finish(1) is FinishReason.CANCELLED
        assert (rig.reader.failed, rig.flight.handles) == ([], {})


def test_a_refused_request_is_told_in_our_words() -> None:
    rig = Rig()
    rig.read(
        failure(
            "Encountered an error when fetching new request: Prompt length (9) exceeds maximum input length (5)"
        )
    )
    assert isinstance(rig.news.error(1), InvalidRequest)
    assert "longer than the engine takes" in str(rig.news.error(1))
    rig = Rig()
    rig.read(failure("Encountered an error when fetching new request: /secret/path"))
    assert isinstance(rig.news.error(1), GenerationFailed)
    assert "secret" not in str(rig.news.error(1))


def test_an_error_of_a_step_is_for_others_to_judge() -> None:
    rig = Rig()
    rig.read(failure("Encountered an error in forwardAsync function: boom"))
    assert rig.reader.failed == [(70, "Encountered an error in forwardAsync function: boom")]
    assert not rig.news.ended(1)


def test_several_tokens_and_the_tail_of_the_logprobs() -> None:
    rig = Rig(logprobs=True, max_new_tokens=5)
    rig.read(result([7, 8], log_probs=[[-1.0, -2.0]]), result([9], log_probs=[[-1.0, -2.0, -3.0]]))
    rig.read(result([4, 5], Reasons.LENGTH, log_probs=[[-1.0, -2.0, -3.0, -4.0, -5.0]]))
    assert rig.outcome() == ([7, 8, 9, 4, 5], FinishReason.LENGTH)
    assert rig.news.logprobs(1) == [-1.0, -2.0, -3.0, -4.0, -5.0]


def test_beams_come_once_and_the_best_is_the_first() -> None:
    rig = Rig(num_beams=2, logprobs=True)
    beams = {"output_token_ids": [[7, 8, 9, 4], [1, 1, 1, 1]], "finish_reasons": []}
    rig.read(result([], output_token_ids=[[7], [1]]))
    assert rig.news.chunks(1) == 0
    rig.read(result([], is_final=True, log_probs=[[-0.1] * 4, [-9.0] * 4], **beams))
    assert rig.outcome() == ([7, 8, 9, 4], FinishReason.LENGTH)
    assert rig.news.logprobs(1) == [-0.1] * 4


def test_an_echo_of_the_prompt_is_taken_away() -> None:
    rig = Rig(num_beams=2)
    rig.read(result([50, 51, 7, 8, 9], is_final=True))
    assert rig.outcome() == ([7, 8, 9, 2], FinishReason.EOS)
    rig = Rig(num_beams=2, max_new_tokens=9)
    rig.read(result([50, 51, 7, 2], is_final=True))
    assert rig.outcome() == ([50, 51, 7, 2], FinishReason.EOS), "what fits may have been generated"


def test_a_sequence_that_ends_here_is_stopped_there() -> None:
    rig = Rig(min_new_tokens=1, max_new_tokens=9)
    rig.read(result([7, 3, 8]))
    assert rig.outcome() == ([7, 3], FinishReason.EOS)
    assert rig.reader.stop == [70]
    rig.read(result([9]), result([], Reasons.CANCELLED, is_final=True))
    assert rig.flight.handles == {}


class Tensor:
    """As much of a torch tensor as answers need."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __getitem__(self, index: int) -> Any:
        value = self._values[index]
        return Tensor(value) if isinstance(value, list) else value

    def tolist(self) -> Any:
        return self._values


def answer(ids: list[list[int]], lengths: list[int], *, final: bool = False, **more: Any) -> Answer:
    tensors = {"output_ids": [ids], "sequence_length": [lengths], **more}
    named = [SimpleNamespace(name=name, tensor=Tensor(values)) for name, values in tensors.items()]
    return Answer(70, [*named, SimpleNamespace(name="context_logits", tensor=None)], final, "")


class GptRig(Rig):
    def __init__(self, **sampling: object) -> None:
        super().__init__(**sampling)
        self.reader = GptReader(self.flight)  # type: ignore[assignment]


def test_tensors_of_a_stream() -> None:
    rig = GptRig()
    rig.read(answer([[7, 0, 0]], [1]), answer([[8]], [4]))
    rig.read(Answer(70, [], True, ""))
    assert rig.outcome() == ([7, 8, 2], FinishReason.EOS)


def test_tensors_of_beams_have_the_prompt_and_padding() -> None:
    rig = GptRig(num_beams=2, logprobs=True)
    logprobs = [[[-0.1, -0.2, 0.0, 0.0], [-1.0] * 4]]
    rig.read(
        answer([[50, 51, 7, 2, 2, 2], [50, 51, 1, 1, 1, 1]], [4, 6], final=True, output_log_probs=logprobs)
    )
    assert rig.outcome() == ([7, 2], FinishReason.EOS)
    assert rig.news.logprobs(1) == [-0.1, -0.2]


def test_errors_of_the_manager() -> None:
    rig = GptRig()
    rig.read(Answer(70, [], True, "Cannot process new request: exceeds maximum input length"))
    assert isinstance(rig.news.error(1), InvalidRequest)
    rig = GptRig()
    rig.read(Answer(70, [], True, "Encountered an error in forward function"), Answer(9, [], True, "x"))
    assert [handle for handle, _ in rig.reader.failed] == [70]
    rig = GptRig()
    rig.flight.cancel([1])
    rig.read(Answer(70, [], True, "Encountered an error in forward function"))
    assert (rig.reader.failed, rig.flight.handles) == ([], {})
