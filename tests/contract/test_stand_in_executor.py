"""The stand-in's executor behaves as the versions of TensorRT-LLM do, and refuses what they refuse."""

from __future__ import annotations

import datetime
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stand_in_executor_kit import SECOND, SHORT, opened
from tests.contract.tensorrt_llm_stand_in import expected_tokens, installed, write_engine
from tests.contract.tensorrt_llm_stand_in.behaviours.tokens import log_prob

ROWS = ("0.9.0", "0.10.0", "0.11.0", "0.12.0", "0.13.0", "0.14.0", "0.16.0", "0.17~", "0.21~", "1.0~", "1.2~")
PROMPT = [300, 301, 302]


def want(count: int = 8, prompt: list[int] = PROMPT, **sampling: Any) -> list[int]:
    return expected_tokens(prompt, count, vocab_size=1000, **sampling)


@pytest.mark.parametrize("row", ROWS)
def test_tokens_are_a_function_of_the_prompt_on_every_version(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path) as subject:
        prompts = [[300 + n, 301] for n in range(40)]
        answers = subject.run(*(subject.request(p, 20) for p in prompts))
        assert [a.tokens() for a in answers] == [want(20, p) for p in prompts]
        assert all(a.last.is_final for a in answers)
        assert {len(piece[0]) for a in answers for piece in a.pieces} == {0, 1, 2}
        whole = subject.run(subject.request(PROMPT, streaming=False))[0]
        assert whole.pieces == [[want()]]
        assert hasattr(whole.last, "finish_reasons") is (row not in ROWS[:4])
        if row not in ROWS[:4]:
            assert [reason.name for reason in whole.last.finish_reasons] == ["LENGTH"]


def test_tokens_follow_sampling_and_seed() -> None:
    greedy = want()
    assert want(temperature=0.5, seed=3) == greedy == want(top_k=1, seed=3)
    drawn = [want(top_k=50, seed=seed) for seed in (0, 7, 8)]
    assert len({*map(tuple, drawn), tuple(greedy)}) == 4
    others = ({"temperature": 0.5}, {"top_p": 0.9}, {"min_p": 0.1}, {"repetition_penalty": 1.2})
    assert len({tuple(want(top_k=50, **more)) for more in others}) == 4
    assert want(repetition_penalty=1.2) != greedy
    assert all(3 <= token < 10 for token in expected_tokens([5], 300, vocab_size=10))


def test_the_prompt_is_echoed_unless_excluded(tmp_path: Path) -> None:
    with opened("0.14.0", tmp_path) as subject:
        echo = {"exclude_input_from_output": False}
        whole, streamed = subject.run(
            subject.request(PROMPT, output=echo, streaming=False), subject.request(PROMPT, output=echo)
        )
        assert whole.tokens() == PROMPT + want()
        assert streamed.tokens() == want()
        assert subject.module.OutputConfig().exclude_input_from_output is False


def test_all_tokens_so_far_where_asked(tmp_path: Path) -> None:
    with opened("0.14.0", tmp_path) as subject:
        answer = subject.run(subject.request(PROMPT, return_all_generated_tokens=True))[0]
        assert len(answer.pieces) > 1
        assert all(piece[0] == want()[: len(piece[0])] for piece in answer.pieces)
        assert answer.pieces[-1] == [want()]


def test_end_ids_stop_words_and_bad_words(tmp_path: Path) -> None:
    plain = want(30)
    with opened("0.14.0", tmp_path) as subject:
        ended, off, late, stopped, bad = subject.run(
            subject.request(PROMPT, 30, end_id=plain[5]),
            subject.request(PROMPT, 30, end_id=-1),
            subject.request(PROMPT, 30, end_id=plain[5], sampling={"min_tokens": 7}),
            subject.request(PROMPT, 30, stop_words=[[9], plain[3:5]]),
            subject.request(PROMPT, 30, bad_words=[[plain[0]], plain[9:11]]),
        )
    reasons = [answer.last.finish_reasons[0].name for answer in (ended, off, late, stopped, bad)]
    assert reasons == ["END_ID", "LENGTH", "LENGTH", "STOP_WORDS", "LENGTH"]
    assert (ended.tokens(), off.tokens(), stopped.tokens()) == (plain[:6], plain, plain[:5])
    assert late.tokens() == want(30, end_id=plain[5], min_tokens=7)
    assert plain[5] not in late.tokens()[:7]
    assert plain[0] not in bad.tokens()
    assert bad.tokens() == want(30, bad_words=[[plain[0]], plain[9:11]])


def test_log_probs_are_cumulative(tmp_path: Path) -> None:
    with opened("0.14.0", tmp_path) as subject:
        answer = subject.run(subject.request(PROMPT, output={"return_log_probs": True}))[0]
        without = subject.run(subject.request(PROMPT))[0]
    told = 0
    for response in answer.responses:
        told += len(response.result.output_token_ids[0])
        assert response.result.log_probs == [[log_prob(token) for token in want()[:told]]]
        assert response.result.cum_log_probs == [pytest.approx(sum(response.result.log_probs[0]))]
    assert told == 8
    assert without.last.log_probs is None


def test_waiting_for_any_response(tmp_path: Path) -> None:
    with opened("0.14.0", tmp_path) as subject:
        begun = time.monotonic()
        assert subject.executor.await_responses(timeout=SHORT) == []
        assert time.monotonic() - begun >= SHORT.total_seconds()
        for wrong in (0.02, 1, "1s"):
            with pytest.raises(TypeError):
                subject.executor.await_responses(timeout=wrong)
        with pytest.raises(TypeError):
            subject.executor.await_responses(SHORT)
        arrived: list[Any] = []
        waiting = threading.Thread(
            target=lambda: arrived.extend(subject.executor.await_responses(timeout=None))
        )
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
        (request_id,) = subject.enqueue(subject.request(PROMPT, streaming=False))
        waiting.join(5)
        assert [response.request_id for response in arrived] == [request_id]


@pytest.mark.parametrize(("row", "answered"), [("0.14.0", False), ("1.2~", True)])
def test_waiting_for_requests_by_id(row: str, answered: bool, tmp_path: Path) -> None:
    with opened(row, tmp_path) as subject:
        executor = subject.executor
        first, second = subject.enqueue(*(subject.request(PROMPT, streaming=False) for _ in range(2)))
        lists = executor.await_responses(ids=[second, first], timeout=SECOND)
        assert [[r.request_id for r in responses] for responses in lists] == [[second], [first]]
        (again,) = executor.await_responses(ids=[first], timeout=SECOND)
        assert again[0].error_msg == f"ReqId {first} has already been processed and was terminated."
        alone = executor.await_responses(id=first, timeout=SHORT)
        assert [response.has_error() for response in alone] == ([True] if answered else [])
        third = executor.enqueue_request(request=subject.request(PROMPT, streaming=False))
        while not executor.get_num_responses_ready(id=third):
            time.sleep(0.001)
        assert executor.get_num_responses_ready() == 1
        assert executor.await_responses(id=third, timeout=SECOND)[0].result.output_token_ids == [want()]


def test_too_long_prompts_and_too_many_tokens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    limits = {"max_input_len": 16, "max_seq_len": 40, "max_num_tokens": 64}
    with opened("0.14.0", tmp_path, **limits) as subject:
        edge, over, clipped = subject.run(
            subject.request([300] * 39, 1), subject.request([300] * 40, 1), subject.request([300] * 20, 500)
        )
    assert edge.tokens() == want(1, [300] * 39)
    assert over.error is not None
    assert "Prompt length (40) exceeds maximum input length (39)" in over.error
    assert over.error.startswith("Encountered an error when fetching new request: ")
    with pytest.raises(RuntimeError):
        _ = over.responses[-1].result
    assert clipped.tokens() == want(20, [300] * 20)
    assert "clipped" in caplog.text
    with opened("0.10.0", tmp_path, **limits) as subject:
        edge, over = subject.run(subject.request([300] * 16, 1), subject.request([300] * 17, 1))
        assert edge.error is None
        assert "(16)" in str(over.error)
    with opened("0.16.0", tmp_path, **{**limits, "max_num_tokens": 8}) as subject:
        assert "(8)" in str(subject.run(subject.request([300] * 9, 1))[0].error)
    chunked = {"enable_chunked_context": True}
    with opened("0.17~", tmp_path, config=chunked, **{**limits, "max_num_tokens": 8}) as subject:
        assert subject.run(subject.request([300] * 9, 1))[0].error is None


def test_beams(tmp_path: Path) -> None:
    beams = {"config": {"max_beam_width": 3}, "max_beam_width": 4}
    with opened("0.14.0", tmp_path, **beams) as subject:
        output = {"return_log_probs": True}
        streamed, wide = subject.run(
            subject.request(PROMPT, sampling={"beam_width": 3}, output=output),
            subject.request(PROMPT, sampling={"beam_width": 4}),
        )
        assert "Requested beam width 4 is larger than configured max beam width 3" in str(wide.error)
        assert streamed.pieces[-1] == [want(beam_width=3, beam=beam) for beam in range(3)]
        assert len(streamed.pieces) > 1
        assert streamed.last.cum_log_probs == sorted(streamed.last.cum_log_probs, reverse=True)
        assert [reason.name for reason in streamed.last.finish_reasons] == ["NOT_FINISHED"] * 3
        mixed = subject.run(
            *(subject.request(PROMPT, 200, sampling={"beam_width": width}) for width in (3, 3, 1))
        )
        assert all("same beam width" in str(answer.error) for answer in mixed)
        assert subject.run(subject.request(PROMPT))[0].tokens() == want()
    with opened("0.12.0", tmp_path, **beams) as subject:
        assert subject.run(subject.request(PROMPT, sampling={"beam_width": 3}))[0].error is not None
        whole = subject.run(subject.request(PROMPT, sampling={"beam_width": 3}, streaming=False))[0]
        assert len(whole.pieces[0]) == 3


@pytest.mark.parametrize("row", ["0.13.0", "0.17~", "1.2~"])
def test_several_sequences_of_one_request(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path) as subject:
        sampling: dict[str, Any] = {"top_k": 40, "seed": 5}
        more = {"num_return_sequences": 3}
        request = (
            subject.request(PROMPT, sampling=sampling, **more)
            if row == "0.13.0"
            else subject.request(PROMPT, sampling={**sampling, **more})
        )
        answer = subject.run(request)[0]
    tokens: dict[int, list[int]] = {0: [], 1: [], 2: []}
    endings = []
    for response in answer.responses:
        tokens[response.result.sequence_index] += response.result.output_token_ids[0]
        endings.append((response.result.is_sequence_final, response.result.is_final))
    assert list(tokens.values()) == [want(**sampling, sequence=number) for number in range(3)]
    assert endings.count((True, False)) == 2
    assert endings[-1] == (True, True)


@pytest.mark.parametrize(
    ("row", "reason"), [("0.12.0", None), ("0.14.0", "NOT_FINISHED"), ("1.0~", "CANCELLED")]
)
def test_cancelling(row: str, reason: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(row, tmp_path, knobs={"step": 0.002}) as subject:
        request_id, kept = subject.enqueue(subject.request(PROMPT, 900), subject.request(PROMPT))
        first = subject.executor.await_responses(id=request_id, timeout=SECOND)
        subject.executor.cancel_request(id=request_id)
        subject.executor.cancel_request(id=request_id)
        ended, other = subject.collect([request_id, kept])
        assert ended.last.is_final
        assert len(first) + len(ended.responses) < 40
        assert (ended.pieces[-1] == [[]]) or row < "0.16"
        assert other.tokens() == want()
        if reason is not None:
            assert [r.name for r in ended.last.finish_reasons] == [reason]
        assert not caplog.records
        subject.executor.cancel_request(id=request_id)
        subject.executor.cancel_request(id=10**6)
        assert caplog.text.count("not active") == 2
        assert subject.executor.await_responses(timeout=SHORT) == []
        whole = subject.enqueue(subject.request(PROMPT, 900, streaming=False))
        subject.executor.cancel_request(id=whole[0])
        assert subject.collect(whole)[0].last.is_final


def test_everything_raises_after_shutdown(tmp_path: Path) -> None:
    with opened("0.14.0", tmp_path) as subject:
        executor, request = subject.executor, subject.request(PROMPT)
        assert executor.can_enqueue_requests() is True
        executor.shutdown()
        executor.shutdown()
        for call in (
            lambda: executor.enqueue_request(request=request),
            lambda: executor.enqueue_requests(requests=[]),
            lambda: executor.await_responses(timeout=SHORT),
            lambda: executor.cancel_request(id=1),
            lambda: executor.get_num_responses_ready(),
            lambda: executor.get_latest_iteration_stats(),
            lambda: executor.can_enqueue_requests(),
        ):
            with pytest.raises(RuntimeError, match="Shutdown"):
                call()


def test_shutdown_wakes_who_waits(tmp_path: Path) -> None:
    with opened("0.14.0", tmp_path) as subject:
        waiting = threading.Thread(target=lambda: subject.executor.await_responses(timeout=None))
        waiting.start()
        subject.executor.shutdown()
        waiting.join(5)
        assert not waiting.is_alive()


def test_the_queue_has_an_end(tmp_path: Path) -> None:
    knobs = {"step": 0.02}
    with opened("0.14.0", tmp_path, config={"max_queue_size": 2}, max_batch_size=1, knobs=knobs) as subject:
        requests = [subject.request(PROMPT, 400) for _ in range(3)]
        with pytest.raises(RuntimeError, match="Maximum queue size of 2 has been reached"):
            subject.enqueue(*requests)
        ids = subject.enqueue(*requests[:2])
        for request_id in ids:
            subject.executor.cancel_request(id=request_id)
        subject.collect(ids)


@pytest.mark.parametrize("policy", ["GUARANTEED_NO_EVICT", "MAX_UTILIZATION"])
def test_requests_wait_for_room_in_the_kv_cache(policy: str, tmp_path: Path) -> None:
    kv = {"max_tokens": 256}
    with opened("0.14.0", tmp_path, kv=kv, policy=policy, plugin_config={"tokens_per_block": 16}) as subject:
        prompts = [[300 + n] * 10 for n in range(6)]
        answers = subject.run(*(subject.request(prompt, 100) for prompt in prompts))
        assert [answer.tokens() for answer in answers] == [want(100, prompt) for prompt in prompts]
        stats = subject.executor.get_latest_iteration_stats()
        assert {(s.kv_cache_stats.max_num_blocks, s.kv_cache_stats.tokens_per_block) for s in stats} == {
            (16, 16)
        }
        assert max(s.num_active_requests for s in stats) == (2 if policy == "GUARANTEED_NO_EVICT" else 6)
        paused = any(s.inflight_batching_stats.num_paused_requests for s in stats)
        assert paused is (policy == "MAX_UTILIZATION")
        assert stats[-1].kv_cache_stats.used_num_blocks == 0


def test_statistics_drain(tmp_path: Path) -> None:
    with opened("0.14.0", tmp_path, config={"iter_stats_max_iterations": 5}) as subject:
        subject.run(subject.request(PROMPT, 20))
        stats = subject.executor.get_latest_iteration_stats()
        assert len(stats) == 5
        assert subject.executor.get_latest_iteration_stats() == []
        assert json.loads(stats[0].to_json_str())["kvCacheStats"]["tokensPerBlock"] == 64
        assert stats[0].kv_cache_stats.max_num_blocks == int(131072 * 0.9) // 64
        assert not hasattr(stats[0], "num_new_active_requests")


def test_a_failed_step_ends_everybody_and_the_executor(tmp_path: Path) -> None:
    faults = [{"stage": "step", "kind": "raise", "after": 3, "message": "CUDA error: device-side assert"}]
    with opened("0.14.0", tmp_path, knobs={"faults": faults}) as subject:
        answers = subject.run(subject.request(PROMPT, 50), subject.request(PROMPT, 60))
        assert {answer.error for answer in answers} == {"CUDA error: device-side assert"}
        assert len(answers[0].pieces) > 1
        with pytest.raises(RuntimeError, match="the executor failed: CUDA error"):
            subject.enqueue(subject.request(PROMPT))


def test_a_hanging_step_leaves_the_calls_alive(tmp_path: Path) -> None:
    faults = [{"stage": "step", "kind": "hang", "seconds": 0.3}]
    with opened("0.14.0", tmp_path, knobs={"faults": faults}) as subject:
        (request_id,) = subject.enqueue(subject.request(PROMPT))
        assert subject.executor.await_responses(timeout=SHORT) == []
        subject.executor.cancel_request(id=request_id)


def test_submitting_from_many_threads(tmp_path: Path) -> None:
    with opened("1.2~", tmp_path) as subject:
        ids: list[int] = []
        threads = [
            threading.Thread(
                target=lambda: ids.extend(subject.enqueue(*(subject.request(PROMPT) for _ in range(10))))
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(ids) == list(range(1, 81))
        assert all(answer.tokens() == want() for answer in subject.collect(ids))


def test_polls_are_not_recorded(tmp_path: Path) -> None:
    directory = write_engine(tmp_path / "e", "0.14.0")
    with installed("0.14.0") as recorder:
        from tensorrt_llm.bindings import executor as module

        executor = module.Executor(
            model_path=directory,
            model_type=module.ModelType.DECODER_ONLY,
            executor_config=module.ExecutorConfig(),
        )
        executor.await_responses(timeout=datetime.timedelta(milliseconds=1))
        executor.shutdown()
    assert not recorder.methods("await_responses")
    assert len(recorder.methods("shutdown")) == 1
