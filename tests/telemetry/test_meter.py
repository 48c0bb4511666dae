"""What the loop notes and the meter counts."""

import pytest
from msgspec.structs import replace

from djl_trtllm.telemetry.meter import Meter
from djl_trtllm.telemetry.requests import RequestSummary

ENDED = RequestSummary(7, "length", 200, 5, 12, 0.25, 1.5, queue_seconds=0.01)
BUSY = 0.001


@pytest.fixture
def meter() -> Meter:
    made = Meter()
    made._last = made._step = 100.0
    return made


def test_a_step_of_the_engine_is_a_gap_for_each_sequence_that_it_continued(meter: Meter) -> None:
    meter.stepped(100.02, BUSY, (3, 1, True))
    meter.settle()
    assert meter.between_tokens.count == 3
    assert meter.between_tokens.sum == pytest.approx(0.06)
    assert (meter.step.count, meter.step.sum) == (1, pytest.approx(BUSY))


def test_several_steps_of_the_engine_in_one_of_ours_share_its_time(meter: Meter) -> None:
    meter.stepped(100.3, BUSY, (6, 3, True))
    meter.settle()
    assert meter.between_tokens.count == 6
    assert meter.between_tokens.sum == pytest.approx(0.6)


def test_first_tokens_are_no_gaps(meter: Meter) -> None:
    meter.firsts += [0.2, 0.4]
    meter.stepped(500.0, BUSY, (2, 1, False))
    meter.stepped(500.1, BUSY, (2, 1, True))
    meter.settle()
    assert meter.first_token.count == 2
    assert meter.first_token.sum == pytest.approx(0.6)
    assert meter.between_tokens.count == 2
    assert meter.between_tokens.sum == pytest.approx(0.2)
    assert meter.firsts == []


def test_tokens_that_come_with_the_first_ones_are_no_older_than_the_step_before(meter: Meter) -> None:
    meter.stepped(700.0, BUSY, (0, 0, False))
    meter.firsts.append(5.0)
    meter.stepped(700.3, BUSY, (3, 3, False))
    meter.settle()
    assert meter.between_tokens.count == 2
    assert meter.between_tokens.sum == pytest.approx(0.2)


def test_nor_older_than_their_request(meter: Meter) -> None:
    meter.firsts.append(0.03)
    meter.stepped(700.0, BUSY, (3, 3, False))
    meter.settle()
    assert meter.between_tokens.sum == pytest.approx(0.02)


def test_who_is_held_up_by_a_new_request_waits_longer_for_the_next_token(meter: Meter) -> None:
    meter.stepped(100.1, BUSY, (1, 1, True))
    meter.firsts.append(0.5)
    meter.stepped(100.6, BUSY, (1, 1, True))
    meter.stepped(100.7, BUSY, (2, 1, True))
    meter.settle()
    assert meter.between_tokens.count == 3
    assert meter.between_tokens.sum == pytest.approx(0.1 + 2 * 0.6)


def test_a_step_without_news_is_no_gap(meter: Meter) -> None:
    meter.stepped(100.1, BUSY, (0, 0, True))
    meter.stepped(100.2, BUSY, (1, 1, True))
    meter.settle()
    assert meter.between_tokens.sum == pytest.approx(0.2)


def test_ends_are_counted_by_reason_or_code(meter: Meter) -> None:
    refused = replace(ENDED, reason="error", status=400, code="invalid_request", generated_tokens=0)
    broken = replace(ENDED, reason="error", code="engine_restarting", generated_tokens=4, recoveries=2)
    stopped = replace(ENDED, reason="eos_token", generated_tokens=1)
    meter.ended([ENDED, refused])
    meter.ended([stopped, broken, broken])
    meter.settle()
    assert meter.reasons == {"length": 1, "eos_token": 1}
    assert meter.codes == {"invalid_request": 1, "engine_restarting": 2}
    assert meter.total.count == 5
    assert meter.queue.count == 4, "who never got ready for the engine has not queued"
    assert (meter.prompted, meter.generated) == (20, 21)
    assert meter.recoveries == 4


def test_tokens_that_were_counted_meanwhile_are_counted_once(meter: Meter) -> None:
    meter.progressed(5, 3)
    meter.progressed(0, 6)
    assert (meter.prompted, meter.generated) == (5, 9)
    meter.ended([replace(ENDED, metered=(5, 9))])
    meter.settle()
    assert (meter.prompted, meter.generated) == (5, 12)


def test_a_request_that_was_cut_off_takes_nothing_back(meter: Meter) -> None:
    meter.progressed(5, 9)
    meter.ended([replace(ENDED, metered=(5, 9), generated_tokens=0, code="internal_error")])
    meter.settle()
    assert (meter.prompted, meter.generated) == (5, 9)


def test_settling_twice_counts_once(meter: Meter) -> None:
    meter.firsts.append(0.1)
    meter.stepped(100.1, BUSY, (2, 1, True))
    meter.ended([ENDED])
    meter.settle()
    meter.settle()
    assert [h.count for h in (meter.step, meter.first_token, meter.between_tokens, meter.total)] == [1] * 4
