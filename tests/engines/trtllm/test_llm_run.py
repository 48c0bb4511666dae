"""How the engine over the LLM API ends what goes wrong. What goes right is in the engine suite."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.core import EngineRequest, FinishReason, Guide, GuideKind, Limit
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.engines.trtllm import llm_open, llm_run
from djl_trtllm.engines.trtllm.llm_run import LLMEngine
from djl_trtllm.errors import EngineRestarting, GenerationFailed, InvalidRequest, LoadError, OutOfMemory
from tests.contract.engine_suite import Subject
from tests.contract.tensorrt_llm_stand_in import Recorder, expected_tokens, installed
from tests.support.collector import eventually
from tests.support.llm_engines import VOCABULARY, checkpoint, llm_engine
from tests.support.vocabularies import vocabulary

ROW = "1.2~"


def engine(tmp_path: Path, eos: int | list[int] | None = None, **options: object) -> LLMEngine:
    made = llm_engine(checkpoint(tmp_path / "model", eos), **options)
    assert isinstance(made, LLMEngine)
    return made


@contextmanager
def opened(made: LLMEngine) -> Iterator[Subject]:
    subject = Subject(made)
    made.open(subject.news)
    try:
        yield subject
    finally:
        made.close()
        subject.news.check()


def deceived(made: LLMEngine, vocabulary: int) -> LLMEngine:
    """Let prompts through that the library refuses, as it could for a reason that we do not know."""
    limits = replace(made._model.limits, vocab_size=Limit(vocabulary, "the test"))
    made._model = replace(made._model, limits=limits)
    return made


def arguments(recorder: Recorder, symbol: str) -> list[dict[str, Any]]:
    return [call.arguments for call in recorder.calls if (call.symbol, call.method) == (symbol, "__init__")]


def test_the_tokens_are_the_librarys_own(tmp_path: Path) -> None:
    with installed(ROW) as recorder, opened(engine(tmp_path)) as subject:
        ((tokens, _),) = subject.run(subject.request([300, 301], max_new_tokens=12))
        assert tokens == expected_tokens([300, 301], 12, vocab_size=VOCABULARY)
        (made,) = arguments(recorder, "tensorrt_llm.LLM")
    assert made["skip_tokenizer_init"] is True
    assert made["model"] == str(tmp_path / "model")


def test_several_end_tokens_and_a_least_length(tmp_path: Path) -> None:
    plain = expected_tokens([300, 301], 32, vocab_size=VOCABULARY)
    first, second = plain[9], plain[4]
    assert first not in plain[:9]
    assert second not in plain[:4]
    with installed(ROW), opened(engine(tmp_path, [first, second])) as subject:
        by_second, by_first = subject.run(
            subject.request([300, 301], max_new_tokens=32, ignore_eos=False),
            subject.request([300, 301], max_new_tokens=32, ignore_eos=False, min_new_tokens=6),
        )
    assert by_second[0] == plain[:5]
    assert by_first[0][:5] == plain[:5]
    assert len(by_first[0]) >= 6
    assert {by_second[1], by_first[1]} == {by_second[1]}


def test_beams_give_the_best_one_at_the_end(tmp_path: Path) -> None:
    with installed(ROW) as recorder, opened(engine(tmp_path, max_beam_width=2)) as subject:
        request = subject.request([300, 301], num_beams=2, max_new_tokens=6)
        ((tokens, finish),) = subject.run(request)
        assert (len(tokens), finish, subject.news.chunks(request.id)) == (6, finish, 1)
        (call,) = [c for c in recorder.calls if c.method == "generate_async"]
        assert call.arguments["streaming"] is False
        refused = subject.request([300], num_beams=1)
        subject.run(refused)
        assert "num_beams is 1" in str(subject.news.error(refused.id))


def test_a_request_that_fails_alone(tmp_path: Path) -> None:
    with installed(ROW), opened(deceived(engine(tmp_path), 10_000)) as subject:
        bad, good = subject.request([300, 9_000]), subject.request([300], max_new_tokens=64)
        assert subject.run(good, bad)[0][0] == expected_tokens([300], 64, vocab_size=VOCABULARY)
        error = subject.news.error(bad.id)
        assert isinstance(error, GenerationFailed)
        assert "9000" not in str(error)
        assert subject.run(subject.request([301]))[0][1] is not None
        assert not subject.news.deaths


def test_a_request_that_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = llm_run.sampling_values

    def wrong(request: Any, *others: Any) -> dict[str, Any]:
        values = real(request, *others)
        return {**values, "prompt_logprobs": 5} if request.sampling.logprobs else values

    monkeypatch.setattr(llm_run, "sampling_values", wrong)
    with installed(ROW), opened(engine(tmp_path)) as subject:
        bad, good = subject.request([300], logprobs=True), subject.request([300])
        subject.run(bad, good)
        assert isinstance(subject.news.error(bad.id), GenerationFailed)
        assert subject.news.error(good.id) is None


def test_a_step_that_fails_takes_everybody_and_the_engine(tmp_path: Path) -> None:
    faults = [{"stage": "step", "kind": "raise", "after": 3}]
    with installed(ROW, faults=faults), opened(engine(tmp_path)) as subject:
        requests = [subject.request([300 + i], max_new_tokens=500) for i in range(4)]
        subject.engine.submit(requests)
        subject.news.wait_ended(r.id for r in requests)
        assert all(isinstance(subject.news.error(r.id), EngineRestarting) for r in requests)
        subject.news.wait_dead()
        late = subject.request([300])
        subject.run(late)
        assert isinstance(subject.news.error(late.id), EngineRestarting)
        assert len(subject.news.deaths) == 1


def test_one_request_alone_in_a_step_that_fails(tmp_path: Path) -> None:
    faults = [{"stage": "step", "kind": "raise", "after": 3}]
    with installed(ROW, faults=faults), opened(engine(tmp_path)) as subject:
        request = subject.request([300], max_new_tokens=500)
        subject.run(request)
        assert isinstance(subject.news.error(request.id), EngineRestarting)
        subject.news.wait_dead()


def test_its_supervisor_opens_another(tmp_path: Path) -> None:
    faults = [{"stage": "step", "kind": "raise", "after": 3, "times": 1}]
    with installed(ROW, faults=faults):
        subject = Subject(Supervisor(lambda: engine(tmp_path), delay=0.01))
        subject.engine.open(subject.news)
        lost, later = subject.request([300], max_new_tokens=500), subject.request([301])
        subject.run(lost)
        assert isinstance(subject.news.error(lost.id), EngineRestarting)
        assert subject.run(later)[0][0] == expected_tokens([301], 8, vocab_size=VOCABULARY)
        subject.engine.close()
        subject.news.check()
        assert not subject.news.deaths


def test_an_engine_that_hangs_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(llm_open, "SHUTDOWN_SECONDS", 0.2)
    faults = [{"stage": "step", "kind": "hang", "after": 3, "times": 1, "seconds": 4}]
    with installed(ROW, faults=faults):
        subject = Subject(Supervisor(lambda: engine(tmp_path), delay=0.01))
        supervisor = subject.engine
        assert isinstance(supervisor, Supervisor)
        supervisor.open(subject.news)
        lost, later = subject.request([300], max_new_tokens=500), subject.request([301])
        supervisor.submit([lost])
        eventually(lambda: time.monotonic() - supervisor.progress > 0.5, "silence")
        supervisor.replace("It hangs.")
        assert subject.run(later)[0][0] == expected_tokens([301], 8, vocab_size=VOCABULARY)
        supervisor.close()
        subject.news.check()
        assert not subject.news.ended(lost.id)
    assert "did not end within" in caplog.text


class Fatal(BaseException):
    """What an event loop does not survive."""


@pytest.mark.parametrize(
    ("broken", "error"), [("_follow", Fatal), ("_start", ZeroDivisionError), ("_flush", Fatal)]
)
def test_a_defect_in_the_event_loop_is_the_engine_s_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, error: type[BaseException]
) -> None:
    def fails(*_: object) -> None:
        raise error

    with installed(ROW), opened(engine(tmp_path)) as subject:
        monkeypatch.setattr(subject.engine, broken, fails)
        request = subject.request([300])
        subject.run(request)
        assert isinstance(subject.news.error(request.id), EngineRestarting)
        subject.news.wait_dead()
        assert len(subject.news.deaths) == 1


def test_no_memory_and_other_reasons_not_to_open(tmp_path: Path) -> None:
    with installed(ROW, faults=[{"stage": "open", "kind": "oom"}]):
        subject = Subject(engine(tmp_path))
        with pytest.raises(OutOfMemory) as caught:
            subject.engine.open(subject.news)
        for option in ("max_rolling_batch_size", "kv_cache_free_gpu_mem_fraction", "tensor_parallel_degree"):
            assert option in str(caught.value)
    with installed(ROW, faults=[{"stage": "open", "kind": "raise", "message": "no such kernel"}]):
        subject = Subject(engine(tmp_path))
        with pytest.raises(LoadError, match="TensorRT-LLM cannot open a tiny llama: no such kernel"):
            subject.engine.open(subject.news)
        subject.engine.close()


SECRET = "xyzzy"


def ours(caplog: pytest.LogCaptureFixture) -> str:
    """What this package has logged; what the library says on its own is the library's."""
    return " ".join(r.getMessage() for r in caplog.records if r.name.startswith("djl_trtllm"))


def with_tokenizer(path: Path, row: str, **options: object) -> LLMEngine:
    model = checkpoint(path / "model", 1, vocab_size=600)
    (model.path / "tokenizer.json").write_text(vocabulary("byte_level").to_str(), encoding="utf-8")
    made = llm_engine(model, **options)
    assert isinstance(made, LLMEngine)
    return made


def bound(subject: Subject, text: str) -> EngineRequest:
    return replace(subject.request([300], max_new_tokens=50), guide=Guide(GuideKind.REGEX, text))


@pytest.mark.parametrize("row", ["1.2~", "1.3.0rc3"])
def test_a_guide_that_the_library_refuses_ends_its_own_request(
    row: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with installed(row), opened(with_tokenizer(tmp_path, row)) as subject:
        good, wrong = subject.request([301], max_new_tokens=64), bound(subject, f"(?={SECRET})")
        assert subject.run(good, wrong)[0][0] == expected_tokens([301], 64, vocab_size=600)
        error = subject.news.error(wrong.id)
        assert isinstance(error, InvalidRequest)
        assert not subject.news.deaths
    assert SECRET not in ours(caplog) + str(error)


def test_before_1_2_it_ends_the_library(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with installed("1.0~"), opened(with_tokenizer(tmp_path, "1.0~")) as subject:
        wrong = bound(subject, f"(?={SECRET})")
        subject.run(wrong)
        assert isinstance(subject.news.error(wrong.id), EngineRestarting)
        subject.news.wait_dead()
    assert SECRET not in ours(caplog)


def test_guides_are_checked_before_that(tmp_path: Path) -> None:
    with installed("1.0~"), opened(with_tokenizer(tmp_path, "1.0~", guide_max_bytes=10)) as subject:
        with pytest.raises(InvalidRequest, match="looks ahead"):
            subject.engine.check(Guide(GuideKind.REGEX, "(?=a)"))
        with pytest.raises(InvalidRequest, match="limit is 10"):
            subject.engine.check(Guide(GuideKind.REGEX, "a" * 11))


def test_a_library_without_guides_serves_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = "Guided decoding is not supported with overlap scheduler."
    faults = [{"stage": "open", "kind": "raise", "message": said, "times": 1}]
    with installed("1.0~", faults=faults) as recorder, opened(with_tokenizer(tmp_path, "1.0~")) as subject:
        assert not subject.engine.features.guides
        assert subject.run(subject.request([300]))[0][1] is FinishReason.LENGTH
        first, second = arguments(recorder, "tensorrt_llm.LLM")
        assert (first["guided_decoding_backend"], second["skip_tokenizer_init"]) == ("xgrammar", True)
    assert "serves without" in caplog.text


def test_alternatives_beside_a_guide_are_numbers(tmp_path: Path) -> None:
    with installed("1.3.0rc3"), opened(with_tokenizer(tmp_path, "1.3.0rc3")) as subject:
        request = bound(subject, "a")
        sampling = replace(request.sampling, logprobs=True, top_logprobs=4)
        subject.run(replace(request, sampling=sampling))
        tokens, tops = subject.news.tokens(request.id), subject.news.tops(request.id)
        assert [[token for token, _ in likeliest] for likeliest in tops] == [[token] for token in tokens]
