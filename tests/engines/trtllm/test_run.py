"""Engines over the stand-in's batch managers when things go wrong; the rules of the seam are in tests/contract."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.core import FinishReason
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.engines.trtllm import executor as executor_module
from djl_trtllm.engines.trtllm import gpt_manager as gpt_manager_module
from djl_trtllm.engines.trtllm.run import BatchEngine, ExecutorEngine, GptManagerEngine
from djl_trtllm.engines.trtllm.runtime import TensorRTLLM
from djl_trtllm.errors import (
    ArtifactError,
    EngineRestarting,
    GenerationFailed,
    InternalError,
    InvalidRequest,
    LoadError,
    OutOfMemory,
)
from djl_trtllm.ranks import Solo
from tests.contract.engine_suite import Subject
from tests.contract.tensorrt_llm_stand_in import expected_tokens, installed
from tests.support.collector import Collector, eventually
from tests.support.trtllm_engines import LONGEST, LONGEST_INPUT, STEP, VOCAB, engine, model, options

BOTH = ("0.8.0", "1.2~")
STEP_FAULT: dict[str, Any] = {"stage": "step", "kind": "raise"}


@contextmanager
def opened(
    row: str,
    path: Path,
    *,
    built: dict[str, Any] | None = None,
    knobs: dict[str, Any] | None = None,
    **given: Any,
) -> Iterator[Subject]:
    """An engine of a row, its `knobs` those of the stand-in; fails where it broke a rule of the seam."""
    with installed(row, **{"step": STEP, **(knobs or {})}):
        subject = Subject(engine(model(path / "engine", row, **(built or {})), **given))
        subject.engine.open(subject.news)
        try:
            yield subject
        finally:
            subject.engine.close()
        subject.news.check()


def executor_of(subject: Subject) -> Any:
    return subject.engine._manager._executor  # type: ignore[attr-defined]


def test_the_release_decides(tmp_path: Path) -> None:
    for row, kind in (("0.8.0", GptManagerEngine), ("0.9.0", ExecutorEngine), ("1.2~", ExecutorEngine)):
        with installed(row):
            made = TensorRTLLM().engine(model(tmp_path / row, row), options(), Solo())
            assert isinstance(made, kind)
            made.close()


@pytest.mark.parametrize("row", BOTH)
def test_a_prompt_over_the_limit_never_reaches_the_engine(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path, max_input_len=5) as subject:
        request = subject.request([300] * 6)
        subject.run(request)
        error = subject.news.error(request.id)
        assert isinstance(error, InvalidRequest)
        assert "6 tokens, the limit is 5 (option max_input_len)" in str(error)
        assert subject.engine.limits.max_input_len.value == 5


@pytest.mark.parametrize("row", BOTH)
def test_an_engine_that_refuses_one_request_leaves_the_others_alone(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path, knobs={"kv_tokens": 40_000}) as subject:
        # As if the library counted otherwise than we do.
        limits = subject.engine.limits
        object.__setattr__(limits, "max_input_len", limits.kv_cache_tokens)
        object.__setattr__(limits, "max_sequence_len", limits.kv_cache_tokens)
        long = subject.request([300] * (LONGEST_INPUT + 700))
        short = [subject.request([300 + i]) for i in range(4)]
        outcomes = subject.run(*short[:2], long, *short[2:])
        assert isinstance(subject.news.error(long.id), InvalidRequest)
        assert [outcomes[i][1] for i in (0, 1, 3, 4)] == [FinishReason.LENGTH] * 4


@pytest.mark.parametrize("row", ["0.8.0", "0.9.0", "0.12.0", "0.16.0", "1.2~"])
def test_a_failed_step_ends_everybody_and_the_engine(row: str, tmp_path: Path) -> None:
    knobs = {"faults": [{**STEP_FAULT, "after": 30}]}
    with opened(row, tmp_path, knobs=knobs) as subject:
        requests = [subject.request([300 + i], max_new_tokens=500) for i in range(8)]
        subject.engine.submit(requests)
        subject.news.wait_dead()
        assert all(isinstance(subject.news.error(r.id), EngineRestarting) for r in requests)
        assert len(subject.news.deaths) == 1
        late = subject.request([300])
        subject.run(late)
        assert isinstance(subject.news.error(late.id), EngineRestarting)


@pytest.mark.parametrize("row", ["0.9.0", "1.2~"])
def test_a_failed_step_with_one_request_is_found_out(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path, knobs={"faults": [{**STEP_FAULT, "after": 30}]}) as subject:
        alone = subject.request([300], max_new_tokens=500)
        subject.run(alone)
        assert isinstance(subject.news.error(alone.id), EngineRestarting)
        subject.news.wait_dead()


def test_one_request_that_fails_in_a_step_is_its_own_failure(tmp_path: Path) -> None:
    with opened("0.8.0", tmp_path, knobs={"faults": [{**STEP_FAULT, "after": 30, "times": 1}]}) as subject:
        alone = subject.request([300], max_new_tokens=500)
        subject.run(alone)
        assert isinstance(subject.news.error(alone.id), GenerationFailed)
        after = subject.request([300])
        assert subject.run(after)[0][0] == expected_tokens([300], 8, vocab_size=VOCAB)
        assert not subject.news.deaths


@pytest.mark.parametrize("row", BOTH)
def test_the_supervisor_opens_the_next_engine(row: str, tmp_path: Path) -> None:
    with installed(row, step=STEP, faults=[{**STEP_FAULT, "after": 30, "times": 1}]):
        runtime, built = TensorRTLLM(), model(tmp_path, row)
        subject = Subject(Supervisor(lambda: runtime.engine(built, options(), Solo()), delay=0.01))
        subject.engine.open(subject.news)
        try:
            subject.run(*(subject.request([300 + i], max_new_tokens=500) for i in range(4)))
            after = subject.request([300])
            assert subject.run(after)[0][0] == expected_tokens([300], 8, vocab_size=VOCAB)
            assert not subject.news.deaths
        finally:
            subject.engine.close()
        subject.news.check()


@pytest.mark.parametrize("row", BOTH)
def test_a_batch_manager_whose_step_hangs_is_left_behind(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "_SHUTDOWN_SECONDS", 0.2)
    monkeypatch.setattr(gpt_manager_module, "_CLOSE_SECONDS", 0.2)
    faults = [{"stage": "step", "kind": "hang", "after": 30, "times": 1, "seconds": 3}]
    with installed(row, step=STEP, faults=faults):
        runtime, built = TensorRTLLM(), model(tmp_path, row)
        subject = Subject(Supervisor(lambda: runtime.engine(built, options(), Solo()), delay=0.01))
        supervisor = subject.engine
        assert isinstance(supervisor, Supervisor)
        supervisor.open(subject.news)
        try:
            lost = [subject.request([300 + i], max_new_tokens=200) for i in range(3)]
            supervisor.submit(lost)
            eventually(lambda: time.monotonic() - supervisor.progress > 0.5, "silence")
            supervisor.replace("It hangs.")
            after = subject.request([300])
            assert subject.run(after)[0][0] == expected_tokens([300], 8, vocab_size=VOCAB)
            assert not any(subject.news.ended(request.id) for request in lost)
            assert not subject.news.deaths
        finally:
            supervisor.close()
        subject.news.check()


@pytest.mark.parametrize("row", BOTH)
def test_steps_that_give_no_tokens_yet_are_progress(row: str, tmp_path: Path) -> None:
    """Beams give theirs at the end."""
    with opened(row, tmp_path, built={"max_beam_width": 2}, knobs={"step": 0.005}, max_beam_width=2) as s:
        request = s.request([300], max_new_tokens=300, num_beams=2)
        s.engine.submit([request])
        begun = s.engine.progress
        eventually(lambda: s.engine.progress > begun + 0.3, "progress")
        assert not s.news.chunks(request.id)


def test_an_error_in_the_reading_thread_is_the_engine_s_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise SystemExit

    with opened("1.2~", tmp_path) as subject:
        manager = subject.engine._manager  # type: ignore[attr-defined]
        monkeypatch.setattr(manager, "_deliver", fails)
        request = subject.request([300])
        subject.run(request)
        assert isinstance(subject.news.error(request.id), EngineRestarting)
        subject.news.wait_dead()


def test_a_shutdown_that_hangs_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(executor_module, "_SHUTDOWN_SECONDS", 0.2)
    let_go = threading.Event()
    with opened("1.2~", tmp_path) as subject:
        manager, real = subject.engine._manager, executor_of(subject)  # type: ignore[attr-defined]

        class Hanging:
            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            def shutdown(self) -> None:
                let_go.wait(30)
                real.shutdown()

        manager._executor = Hanging()
        running = subject.request([300], max_new_tokens=500)
        subject.engine.submit([running])
        begun = time.monotonic()
        subject.engine.close()
        assert time.monotonic() - begun < 5
        assert subject.news.finish(running.id) is FinishReason.CANCELLED
    let_go.set()
    assert "did not come back within" in caplog.text


@pytest.mark.parametrize("row", ["0.9.0", "1.2~"])
def test_an_executor_that_was_shut_down_takes_nothing_more(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path) as subject:
        executor_of(subject).shutdown()
        request = subject.request([300])
        subject.run(request)
        assert isinstance(subject.news.error(request.id), EngineRestarting)
        subject.news.wait_dead()
        assert len(subject.news.deaths) == 1


def test_a_request_that_the_executor_does_not_take_is_its_own(tmp_path: Path) -> None:
    with opened("1.2~", tmp_path) as subject:
        real = executor_of(subject)

        class Choosy:
            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            def enqueue_requests(self, *, requests: list[Any]) -> list[int]:
                return [self.enqueue_request(request=request) for request in requests]

            def enqueue_request(self, *, request: Any) -> int:
                if list(request.input_token_ids) == [333]:
                    raise RuntimeError("no")
                return int(real.enqueue_request(request=request))

        subject.engine._manager._executor = Choosy()  # type: ignore[attr-defined]
        bad, good = subject.request([333]), subject.request([334])
        outcomes = subject.run(bad, good)
        assert isinstance(subject.news.error(bad.id), GenerationFailed)
        assert outcomes[1][1] is FinishReason.LENGTH
        lonely = subject.request([333])
        subject.run(lonely)
        assert isinstance(subject.news.error(lonely.id), GenerationFailed)
        assert not subject.news.deaths


def test_a_request_that_cannot_be_made_is_our_defect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened("1.2~", tmp_path) as subject:

        def broken(request: Any) -> Any:
            raise TypeError(f"incompatible function arguments: {request.prompt_ids}")

        subject.engine._manager.prepare = broken  # type: ignore[attr-defined]
        request = subject.request([345, 346])
        subject.run(request)
        assert isinstance(subject.news.error(request.id), InternalError)
    assert "345" not in caplog.text


@pytest.mark.parametrize("row", ["0.8.0", "0.9.0", "0.13.0", "0.15.0", "1.2~"])
def test_beams_of_the_width_that_was_configured(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path, built={"max_beam_width": 4}, max_beam_width=3) as subject:
        assert subject.engine.features.beam_width == 3
        prompts = [[300 + i] * (1 + i) for i in range(6)]
        beams = [subject.request(p, max_new_tokens=20, num_beams=3, logprobs=True) for p in prompts]
        other = [subject.request([300], num_beams=width) for width in (1, 2, 4)]
        sampled = subject.request([300], num_beams=3, do_sample=True)
        outcomes = subject.run(*beams[:3], *other, sampled, *beams[3:])
        for request, (tokens, finish) in zip(beams, [*outcomes[:3], *outcomes[7:]], strict=True):
            best = expected_tokens(request.prompt_ids, 20, vocab_size=VOCAB, beam_width=3, beam=0)
            assert (tokens, finish) == (best, FinishReason.LENGTH)
            assert subject.news.chunks(request.id) == 1
            assert len(subject.news.logprobs(request.id)) == 20
            assert all(-1 < value < 0 for value in subject.news.logprobs(request.id))
        assert all(isinstance(subject.news.error(r.id), InvalidRequest) for r in (*other, sampled))


@pytest.mark.parametrize("row", ["0.8.0", "0.12.0", "1.2~"])
def test_every_end_token_ends(row: str, tmp_path: Path) -> None:
    plain = expected_tokens([300, 301], 40, vocab_size=VOCAB)
    first, second = plain[30], plain[12]
    assert first not in plain[:30]
    assert second not in plain[:12]
    with opened(row, tmp_path, built={"eos": [first, second]}) as subject:
        ends, ignores, waits = (
            subject.request([300, 301], max_new_tokens=40, ignore_eos=False),
            subject.request([300, 301], max_new_tokens=40),
            subject.request([300, 301], max_new_tokens=40, ignore_eos=False, min_new_tokens=13),
        )
        outcomes = subject.run(ends, ignores, waits)
        assert outcomes[0] == (plain[:13], FinishReason.EOS)
        assert outcomes[1] == (plain, FinishReason.LENGTH)
        # Held back where it stood; the other one still ends.
        assert outcomes[2] == (plain[:31], FinishReason.EOS)


@pytest.mark.parametrize("row", ["0.8.0", "0.12.0", "1.2~"])
def test_an_end_token_after_the_least_length_ends_at_once(row: str, tmp_path: Path) -> None:
    plain = expected_tokens([300, 301], 400, vocab_size=VOCAB)
    unused = next(token for token in range(3, VOCAB) if token not in plain)
    with opened(row, tmp_path, built={"eos": [unused, plain[12]]}) as subject:
        request = subject.request(
            [300, 301], max_new_tokens=400, ignore_eos=False, min_new_tokens=5, logprobs=True
        )
        assert subject.run(request) == [(plain[:13], FinishReason.EOS)]
        assert len(subject.news.logprobs(request.id)) == 13
        assert subject.run(subject.request([302]))[0][1] is FinishReason.LENGTH


@pytest.mark.parametrize("row", ["0.8.0", "0.9.0", "0.16.0", "1.2~"])
def test_cancel_at_every_moment(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path) as subject:
        for delay in range(24):
            request = subject.request([300 + delay], max_new_tokens=12)
            other = subject.request([400 + delay], max_new_tokens=12)
            subject.engine.submit([request, other])
            time.sleep(delay * STEP)
            subject.engine.cancel([request.id])
            subject.news.wait_ended([request.id, other.id])
            tokens, finish = subject.news.outcome(request)
            whole = expected_tokens(request.prompt_ids, 12, vocab_size=VOCAB)
            assert tokens == whole[: len(tokens)]
            assert finish is FinishReason.CANCELLED or tokens == whole
            assert subject.news.tokens(other.id) == expected_tokens(other.prompt_ids, 12, vocab_size=VOCAB)
        subject.run(subject.request([300]))
        flight = subject.engine._flight  # type: ignore[attr-defined]
        deadline = time.monotonic() + 10
        while flight.handles and time.monotonic() < deadline:
            time.sleep(0.005)
        assert (flight.handles, flight.live) == ({}, {}), "nothing is kept of what has ended"


@pytest.mark.parametrize("row", ["0.8.0", "0.9.0", "1.2~"])
def test_logprobs_are_those_of_their_tokens(row: str, tmp_path: Path) -> None:
    with opened(row, tmp_path) as subject:
        request = subject.request([300, 302], max_new_tokens=50, logprobs=True)
        subject.run(request)
        told = subject.news.logprobs(request.id)
        assert told == pytest.approx([-(t % 97 + 1) / 100 for t in subject.news.tokens(request.id)])


@pytest.mark.parametrize("row", BOTH)
def test_nothing_is_clipped_in_silence(row: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(row, tmp_path) as subject:
        room = LONGEST - LONGEST_INPUT
        fits = subject.request([300] * LONGEST_INPUT, max_new_tokens=room)
        over = subject.request([300] * LONGEST_INPUT, max_new_tokens=room + 1)
        outcomes = subject.run(fits, over)
        assert len(outcomes[0][0]) == room
        assert isinstance(subject.news.error(over.id), InvalidRequest)
    assert "is clipped" not in caplog.text


@pytest.mark.parametrize("row", BOTH)
@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [("oom", OutOfMemory, "kv_cache_free_gpu_mem_fraction"), ("raise", LoadError, "injected")],
)
def test_what_fails_to_open_says_why(row: str, kind: str, error: type, said: str, tmp_path: Path) -> None:
    with installed(row, faults=[{"stage": "open", "kind": kind}]):
        made, news = engine(model(tmp_path, row)), Collector()
        with pytest.raises(error, match=said):
            made.open(news)
        with pytest.raises(EngineClosedError):
            made.submit([])
        made.close()


@pytest.mark.parametrize("row", BOTH)
def test_an_engine_whose_first_request_fails_is_not_ready(row: str, tmp_path: Path) -> None:
    with installed(row, faults=[STEP_FAULT]):
        made = engine(model(tmp_path, row))
        with pytest.raises(LoadError, match="first request failed"):
            made.open(Collector())
        made.close()


@pytest.mark.parametrize("row", BOTH)
def test_an_engine_that_gives_no_token_is_not_ready(row: str, tmp_path: Path) -> None:
    with installed(row, faults=[{"stage": "step", "kind": "hang", "seconds": 2, "times": 1}]):
        made = engine(model(tmp_path, row), rank_timeout=1)
        with pytest.raises(LoadError, match="no token within 1 s"):
            made.open(Collector())


def test_a_wrong_engine_is_an_artifact_error(tmp_path: Path) -> None:
    built = model(tmp_path, "1.0~")
    with installed("1.2~"), pytest.raises(ArtifactError, match="Version tag does not match"):
        engine(built).open(Collector())


def test_options_that_the_release_does_not_take_are_told(tmp_path: Path) -> None:
    with installed("1.2~"), pytest.raises(LoadError, match="tensor_parallel_degree=4"):
        engine(model(tmp_path, "1.2~"), tensor_parallel_degree=4).open(Collector())


def test_without_an_end_token_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with installed("1.2~"), caplog.at_level(logging.WARNING):
        made = engine(model(tmp_path, "1.2~"))
    assert isinstance(made, BatchEngine)
    assert "No file names an end token" in caplog.text


def test_a_warning_for_what_the_engine_cannot_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    built = {"plugin_config": {"use_paged_context_fmha": False}}
    with (
        caplog.at_level(logging.INFO),
        opened("1.2~", tmp_path, built=built, enable_kv_cache_reuse=True) as subject,
    ):
        assert subject.run(subject.request([300]))[0][1] is FinishReason.LENGTH
    assert "enable_block_reuse is off" in caplog.text
