from __future__ import annotations

import pytest

from djl_trtllm.core import EngineRequest, FinishReason, SamplingParams
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.engines.trtllm.flight import Flight
from djl_trtllm.engines.trtllm.sequences import Ends, Sequence
from djl_trtllm.engines.trtllm.verdicts import Verdicts
from djl_trtllm.errors import EngineRestarting, GenerationFailed
from tests.support.collector import Collector

BOOM = "Encountered an error in forwardAsync function: boom"


def rig(*ids: int) -> tuple[Flight, Collector]:
    flight, news = Flight(), Collector()
    flight.begin(news)
    flight.serve()
    flight.add({10 * i: Sequence.of(EngineRequest(i, [5], SamplingParams(4)), Ends()) for i in ids})
    return flight, news


def test_ids_in_flight_are_known() -> None:
    flight, _ = rig(1, 2)
    flight.check_new([3, 4])
    for ids in ([1], [3, 3], [4, 2]):
        with pytest.raises(ValueError, match="in flight"):
            flight.check_new(ids)


def test_breaking_ends_everybody_once_then_tells_the_inbox_once() -> None:
    flight, news = rig(1, 2)
    flight.breaks("it did")
    flight.breaks("it did again")
    assert all(isinstance(news.error(i), EngineRestarting) for i in (1, 2))
    assert len(news.deaths) == 1
    news.check()


def test_closing_cancels_and_silences_a_later_breakage() -> None:
    flight, news = rig(1)
    assert flight.close()
    assert not flight.close()
    flight.breaks("too late")
    assert news.finish(1) is FinishReason.CANCELLED
    assert not news.deaths
    with pytest.raises(EngineClosedError):
        _ = flight.inbox


def test_a_flight_that_broke_before_it_served_tells_nobody() -> None:
    flight, news = Flight(), Collector()
    flight.begin(news)
    flight.breaks("early")
    assert not flight.serve()
    assert not news.deaths
    with pytest.raises(EngineClosedError):
        flight.begin(news)


def test_quiet_time_begins_with_the_first_sequence() -> None:
    flight, _ = rig()
    flight.heard = 0.0
    flight.add({10: Sequence.of(EngineRequest(1, [5], SamplingParams(4)), Ends())})
    assert flight.heard > 0


def test_one_message_for_several_is_the_end_of_all() -> None:
    flight, news = rig(1, 2, 3)
    Verdicts(flight, lambda: 99).judge([(10, BOOM), (20, BOOM)])
    assert all(isinstance(news.error(i), EngineRestarting) for i in (1, 2, 3))
    assert len(news.deaths) == 1


def test_an_error_of_one_among_several_is_its_own() -> None:
    flight, news = rig(1, 2)
    Verdicts(flight, lambda: 99).judge([(10, "its own")])
    assert isinstance(news.error(1), GenerationFailed)
    assert not news.ended(2)
    assert set(flight.handles) == {20}


def test_an_error_of_the_only_one_is_looked_into() -> None:
    flight, news = rig(1)
    verdicts = Verdicts(flight, lambda: 99)
    verdicts.judge([(10, BOOM)])
    assert verdicts.asked == 99
    assert not news.ended(1)
    verdicts.hear(failed=False)
    assert isinstance(news.error(1), GenerationFailed)
    assert verdicts.asked is None
    assert flight.handles == {}


def test_when_the_sound_request_fails_too_it_is_the_end() -> None:
    flight, news = rig(1)
    verdicts = Verdicts(flight, lambda: 99)
    verdicts.judge([(10, BOOM)])
    verdicts.hear(failed=True)
    assert isinstance(news.error(1), EngineRestarting)
    assert len(news.deaths) == 1


def test_when_the_sound_request_is_not_taken_or_not_answered_it_is_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses() -> int:
        raise RuntimeError("shut down")

    flight, news = rig(1)
    Verdicts(flight, refuses).judge([(10, BOOM)])
    assert len(news.deaths) == 1
    monkeypatch.setattr("djl_trtllm.engines.trtllm.verdicts.PATIENCE", -1.0)
    flight, news = rig(1)
    verdicts = Verdicts(flight, lambda: 99)
    verdicts.judge([(10, BOOM)])
    verdicts.look()
    assert isinstance(news.error(1), EngineRestarting)
    assert len(news.deaths) == 1


def test_a_suspect_that_is_cancelled_meanwhile_has_had_its_ending() -> None:
    flight, news = rig(1)
    verdicts = Verdicts(flight, lambda: 99)
    verdicts.judge([(10, BOOM)])
    flight.cancel([1])
    verdicts.hear(failed=False)
    assert news.finish(1) is FinishReason.CANCELLED
    news.check()
