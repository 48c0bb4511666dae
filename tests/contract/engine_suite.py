"""What every engine must do, whatever it is made of.

A test module makes a subclass whose `harness` fixture says how to make the engine; everything here then runs
against it. Requests are greedy unless a test says otherwise, and engines are expected to be exact: the same
tokens alone and in a batch.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from djl_trtllm.core import FinishReason
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.errors import InvalidRequest
from tests.contract.answer_suite import AnswerSuite
from tests.contract.engine_kit import Harness, Subject, prompts
from tests.support.collector import Collector, eventually

__all__ = ["EngineSuite", "Harness", "Subject", "prompts"]

BAD: dict[str, tuple[Sequence[int], dict[str, object], str]] = {
    "empty prompt": ([], {}, "no tokens"),
    "negative id": ([300, -5], {}, "vocabulary"),
    "id past the vocabulary": ([300, 99999], {}, "vocabulary"),
    "huge id": ([2**40], {}, "vocabulary"),
    "no new tokens": ([300], {"max_new_tokens": 0}, "max_new_tokens is 0"),
    "min above max": ([300], {"min_new_tokens": 9}, "min_new_tokens is 9"),
    "temperature 0": ([300], {"do_sample": True, "temperature": 0.0}, "temperature is 0.0"),
    "temperature nan": ([300], {"do_sample": True, "temperature": math.nan}, "temperature is nan"),
    "top_p 0": ([300], {"do_sample": True, "top_p": 0.0}, "top_p is 0.0"),
    "top_p above 1": ([300], {"do_sample": True, "top_p": 1.5}, "top_p is 1.5"),
    "min_p 1": ([300], {"do_sample": True, "min_p": 1.0}, "min_p is 1.0"),
    "top_k negative": ([300], {"do_sample": True, "top_k": -1}, "top_k is -1"),
    "repetition_penalty 0": ([300], {"repetition_penalty": 0.0}, "repetition_penalty is 0.0"),
    "presence_penalty 3": ([300], {"presence_penalty": 3.0}, "presence_penalty is 3.0"),
    "frequency_penalty -3": ([300], {"frequency_penalty": -3.0}, "frequency_penalty is -3.0"),
    "beams": ([300], {"num_beams": 2}, "num_beams is 2"),
    "past the context": ([300], {"max_new_tokens": 10**6}, "1 prompt tokens and 1000000 new tokens"),
    "endless": ([300], {"max_new_tokens": 2**70}, "new tokens are"),
}


class EngineSuite(AnswerSuite):
    """The rules. Subclass it and give it a class-scoped `harness` fixture."""

    @pytest.fixture(scope="class")
    @classmethod
    def shared(cls, harness: Harness) -> Iterator[Subject]:
        subject = Subject(harness.make(None))
        subject.engine.open(subject.news)
        yield subject
        subject.engine.close()

    @pytest.fixture
    def subject(self, shared: Subject) -> Iterator[Subject]:
        """One engine for all tests that leave it as it was."""
        yield shared
        shared.news.check()
        assert not shared.news.deaths

    @pytest.fixture
    def fresh(self, harness: Harness) -> Iterator[Subject]:
        """An engine of the test's own."""
        subject = Subject(harness.make(None))
        subject.engine.open(subject.news)
        yield subject
        subject.engine.close()
        subject.news.check()

    def test_every_request_ends_once_with_all_its_tokens(self, subject: Subject) -> None:
        requests = [subject.request(p, max_new_tokens=1 + i % 7) for i, p in enumerate(prompts(20))]
        for request, (tokens, finish) in zip(requests, subject.run(*requests), strict=True):
            assert len(tokens) == request.sampling.max_new_tokens
            assert finish is FinishReason.LENGTH
            assert all(0 <= token < subject.engine.limits.vocab_size.value for token in tokens)

    def test_tokens_stream(self, subject: Subject) -> None:
        request = subject.request([300, 301, 302], max_new_tokens=64)
        subject.run(request)
        assert subject.news.chunks(request.id) > 4

    def test_same_tokens_alone_and_in_a_batch(self, subject: Subject) -> None:
        alone = [subject.run(subject.request(p, max_new_tokens=24))[0] for p in prompts(16)]
        together = subject.run(*(subject.request(p, max_new_tokens=24) for p in prompts(16)))
        assert together == alone
        assert len({tuple(tokens) for tokens, _ in alone}) > 8, "prompts must matter"

    def test_more_requests_than_slots_all_finish(self, subject: Subject) -> None:
        slots = subject.engine.limits.max_batch_size.value
        requests = [subject.request([300 + i % 90], max_new_tokens=4) for i in range(2 * slots + 3)]
        assert all(finish is FinishReason.LENGTH for _, finish in subject.run(*requests))

    def test_submitting_from_many_threads(self, subject: Subject) -> None:
        requests = [subject.request(p) for p in prompts(24)]
        threads = [threading.Thread(target=subject.engine.submit, args=(requests[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        subject.news.wait_ended(r.id for r in requests)
        together = [subject.news.outcome(r) for r in requests]
        assert together == [subject.run(subject.request(p))[0] for p in prompts(24)]

    def test_a_long_prompt_among_short_ones(self, subject: Subject) -> None:
        long = subject.request([300 + i % 100 for i in range(500)])
        short = [subject.request(p) for p in prompts(6)]
        outcomes = subject.run(short[0], long, *short[1:])
        assert all(finish is FinishReason.LENGTH for _, finish in outcomes)

    def test_logprobs_only_when_asked(self, subject: Subject) -> None:
        asked, sampled, not_asked = (
            subject.request([300, 301], logprobs=True),
            subject.request([300, 301], logprobs=True, do_sample=True, seed=3),
            subject.request([300, 301]),
        )
        subject.run(asked, sampled, not_asked)
        for request in (asked, sampled):
            values = subject.news.logprobs(request.id)
            assert len(values) == 8
            assert all(math.isfinite(value) and value < 0 for value in values)
        assert subject.news.logprobs(not_asked.id) == []
        assert subject.news.tokens(asked.id) == subject.news.tokens(not_asked.id)

    def test_the_seed_decides_a_sample(self, subject: Subject) -> None:
        outcomes = subject.run(
            *(
                subject.request([300, 301], do_sample=True, seed=s, max_new_tokens=16)
                for s in (7, 7, 8, 2**80 + 7)
            )
        )
        assert outcomes[0] == outcomes[1]
        assert outcomes[0] != outcomes[2]
        assert outcomes[3][1] is FinishReason.LENGTH

    def test_all_sampling_parameters_are_taken(self, subject: Subject) -> None:
        request = subject.request(
            [300, 301, 300],
            do_sample=True,
            temperature=0.7,
            top_k=10**12,
            top_p=0.9,
            min_p=0.05 if subject.engine.features.min_p else 0.0,
            repetition_penalty=1.2,
            presence_penalty=0.5,
            frequency_penalty=-0.5,
            min_new_tokens=4,
            seed=1,
        )
        assert subject.run(request)[0][1] is FinishReason.LENGTH

    @pytest.mark.parametrize("name", list(BAD))
    def test_a_bad_request_is_refused_by_its_own_chunk(self, subject: Subject, name: str) -> None:
        prompt, sampling, said = BAD[name]
        request = subject.request(prompt, **sampling)
        subject.run(request)
        error = subject.news.error(request.id)
        assert isinstance(error, InvalidRequest)
        assert said in str(error)
        assert subject.news.tokens(request.id) == []

    def test_all_problems_are_told_at_once(self, subject: Subject) -> None:
        request = subject.request([], max_new_tokens=0, repetition_penalty=-1.0, num_beams=4)
        subject.run(request)
        error = subject.news.error(request.id)
        assert error is not None
        assert len(error.problems) == 4

    def test_bad_requests_leave_good_ones_alone(self, subject: Subject) -> None:
        clean = subject.run(*(subject.request(p, max_new_tokens=16) for p in prompts(16)))
        good = [subject.request(p, max_new_tokens=16) for p in prompts(16)]
        bad = [subject.request(p, **sampling) for p, sampling, _ in BAD.values()]
        mixed = [r for pair in zip(good, bad, strict=False) for r in pair]
        subject.engine.submit(mixed[:11])
        subject.engine.submit(mixed[11:])
        subject.news.wait_ended(r.id for r in mixed)
        assert [subject.news.outcome(r) for r in good] == clean
        assert all(subject.news.error(r.id) is not None for r in bad[:16])

    def test_the_kv_cache_limit_is_told_with_both_numbers(self, harness: Harness, subject: Subject) -> None:
        limits = subject.engine.limits
        assert limits.kv_cache_tokens.value == harness.kv_tokens
        wanted = min(limits.kv_cache_tokens.value, limits.max_sequence_len.value)
        fits = subject.request([300] * (wanted - 2), max_new_tokens=2)
        over = subject.request([300] * (wanted - 2), max_new_tokens=3)
        subject.run(fits, over)
        assert subject.news.finish(fits.id) is FinishReason.LENGTH
        assert str(wanted) in str(subject.news.error(over.id))
        assert f"{wanted - 2} prompt tokens and 3 new tokens" in str(subject.news.error(over.id))

    def test_an_id_in_flight_is_not_taken_again(self, subject: Subject) -> None:
        first = subject.request([300], max_new_tokens=500)
        other = subject.request([301])
        subject.engine.submit([first])
        with pytest.raises(ValueError, match="in flight"):
            subject.engine.submit([other, first])
        subject.engine.cancel([first.id])
        subject.news.wait_ended([first.id])
        assert not subject.news.ended(other.id)
        assert subject.run(subject.request([301]))[0][1] is FinishReason.LENGTH

    def test_cancel_at_any_moment_gives_one_ending(self, subject: Subject) -> None:
        for after in (0, 0, 1, 2, 5, 11, 12):
            request = subject.request([300, 300 + after], max_new_tokens=12)
            subject.engine.submit([request])
            subject.news.wait_tokens(request.id, after)
            subject.engine.cancel([request.id, request.id])
            subject.engine.cancel([request.id])
            subject.news.wait_ended([request.id])
            finish = subject.news.finish(request.id)
            assert finish is FinishReason.CANCELLED or len(subject.news.tokens(request.id)) == 12
        # Whatever came late would be a violation; another request flushes it out.
        subject.run(subject.request([300], max_new_tokens=16))
        subject.news.check()

    def test_cancel_leaves_the_others_alone(self, subject: Subject) -> None:
        clean = subject.run(*(subject.request(p, max_new_tokens=32) for p in prompts(8)))
        kept = [subject.request(p, max_new_tokens=32) for p in prompts(8)]
        gone = [subject.request(p, max_new_tokens=400) for p in prompts(8)]
        subject.engine.submit([r for pair in zip(gone, kept, strict=True) for r in pair])
        subject.news.wait_tokens(gone[0].id, 3)
        subject.engine.cancel([r.id for r in gone])
        subject.news.wait_ended(r.id for r in (*gone, *kept))
        assert [subject.news.outcome(r) for r in kept] == clean
        assert {subject.news.finish(r.id) for r in gone} == {FinishReason.CANCELLED}

    def test_cancel_of_unknown_ids_does_nothing(self, subject: Subject) -> None:
        done = subject.request([300])
        subject.run(done)
        subject.engine.cancel([done.id, 10**9])
        subject.engine.cancel([])
        assert subject.run(subject.request([300]))[0] == subject.news.outcome(done)

    def test_stats_follow_the_load(self, harness: Harness, subject: Subject) -> None:
        fitting = min(240, harness.kv_tokens // 4 - 8)
        requests = [subject.request([300 + i], max_new_tokens=fitting) for i in range(4)]
        subject.engine.submit(requests)
        eventually(lambda: subject.engine.stats().running == 4, "four running sequences")
        assert subject.engine.stats().waiting == 0
        subject.engine.cancel([r.id for r in requests])
        eventually(lambda: subject.engine.stats().running == 0, "no running sequence")

    def test_the_end_token_ends_unless_ignored(self, harness: Harness, subject: Subject) -> None:
        prompt = prompts(5)[4]
        (plain, _) = subject.run(subject.request(prompt, max_new_tokens=12))[0]
        end = next(token for token in plain[4:] if token not in plain[:4])
        at = plain.index(end)
        ending = Subject(harness.make(end))
        ending.engine.open(ending.news)
        try:
            stopped, ignored, later = ending.run(
                ending.request(prompt, max_new_tokens=12, ignore_eos=False),
                ending.request(prompt, max_new_tokens=12),
                ending.request(prompt, max_new_tokens=12, ignore_eos=False, min_new_tokens=at + 2),
            )
        finally:
            ending.engine.close()
        assert stopped == (plain[: at + 1], FinishReason.EOS)
        assert ignored == (plain, FinishReason.LENGTH)
        assert len(later[0]) > at + 1
        ending.news.check()

    def test_close_ends_what_runs_and_forbids_the_rest(self, fresh: Subject) -> None:
        requests = [fresh.request(p, max_new_tokens=500) for p in prompts(4)]
        fresh.engine.submit(requests)
        fresh.news.wait_tokens(requests[0].id, 1)
        fresh.engine.close()
        assert {fresh.news.finish(r.id) for r in requests} == {FinishReason.CANCELLED}
        fresh.engine.close()
        for call in (
            lambda: fresh.engine.submit([]),
            lambda: fresh.engine.cancel([1]),
            fresh.engine.stats,
            lambda: fresh.engine.open(fresh.news),
        ):
            with pytest.raises(EngineClosedError):
                call()
        assert not fresh.news.deaths

    def test_what_it_runs_is_told_as_progress(self, subject: Subject) -> None:
        begun = time.monotonic()
        subject.run(subject.request(prompts(1)[0]))
        assert begun <= subject.engine.progress <= time.monotonic()

    def test_one_that_was_halted_closes(self, fresh: Subject) -> None:
        request = fresh.request(prompts(1)[0], max_new_tokens=500)
        fresh.engine.submit([request])
        fresh.news.wait_tokens(request.id, 1)
        fresh.engine.halt()
        fresh.engine.close()
        with pytest.raises(EngineClosedError):
            fresh.engine.submit([])

    def test_nothing_works_before_open(self, harness: Harness) -> None:
        engine = harness.make(None)
        for call in (lambda: engine.submit([]), lambda: engine.cancel([1]), engine.stats):
            with pytest.raises(EngineClosedError):
                call()
        engine.close()

    def test_opened_only_once(self, subject: Subject) -> None:
        with pytest.raises(EngineClosedError):
            subject.engine.open(Collector())
        assert subject.run(subject.request([300]))[0][1] is FinishReason.LENGTH
