"""Guides and biases in engines over the stand-in's executor, where they go wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel, EngineRequest, FinishReason, Guide, GuideKind
from djl_trtllm.engines.trtllm.executor import ExecutorManager
from djl_trtllm.engines.trtllm.run import checker, ends_of
from djl_trtllm.errors import EngineRestarting, GenerationFailed, InvalidRequest, LoadError
from tests.contract.engine_suite import Subject
from tests.contract.tensorrt_llm_stand_in import installed
from tests.support.teams import Meeting, ThreadTeam
from tests.support.trtllm_engines import STEP, engine, model, options
from tests.support.vocabularies import vocabulary

SECRET = "xyzzy"


def ours(caplog: pytest.LogCaptureFixture) -> str:
    """What this package has logged; what the library says on its own is the library's."""
    return " ".join(r.getMessage() for r in caplog.records if r.name.startswith("djl_trtllm"))


def with_tokenizer(path: Path, row: str = "1.2~") -> CompiledModel:
    built = model(path / "engine", row, eos=1)
    (built.path / "tokenizer.json").write_text(vocabulary("byte_level").to_str(), encoding="utf-8")
    return built


@contextmanager
def guided(path: Path, row: str = "1.2~") -> Iterator[Subject]:
    """An engine with a tokenizer beside it. What its check would refuse reaches the library here."""
    with installed(row, step=STEP) as recorder:
        subject = Subject(engine(with_tokenizer(path, row)))
        subject.engine.open(subject.news)
        try:
            yield subject
        finally:
            subject.engine.close()
        subject.news.check()
        assert recorder.of("GuidedDecodingConfig")


def bound(subject: Subject, text: str, **sampling: object) -> EngineRequest:
    request = subject.request([300], **{"max_new_tokens": 50, **sampling})
    return replace(request, guide=Guide(GuideKind.REGEX, text))


def test_a_guide_that_fails_in_the_step_alone_is_its_own_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with guided(tmp_path) as subject:
        wrong = bound(subject, f"(?={SECRET})")
        subject.run(wrong)
        error = subject.news.error(wrong.id)
        assert isinstance(error, GenerationFailed)
        assert subject.run(subject.request([300]))[0][1] is FinishReason.LENGTH
        assert not subject.news.deaths
    assert "a guide could not be enforced" in caplog.text
    assert SECRET not in ours(caplog) + str(error)


def test_a_guide_that_fails_among_others_breaks_the_engine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with guided(tmp_path) as subject:
        plain = subject.request([301], max_new_tokens=500)
        subject.engine.submit([plain])
        subject.news.wait_tokens(plain.id, 1)
        wrong = bound(subject, f"(?={SECRET})")
        subject.run(wrong)
        assert {type(subject.news.error(r.id)) for r in (plain, wrong)} == {EngineRestarting}
        subject.news.wait_dead()
    assert SECRET not in ours(caplog)


def test_a_guide_is_checked_before_that(tmp_path: Path) -> None:
    with guided(tmp_path) as subject:
        with pytest.raises(InvalidRequest, match="looks ahead"):
            subject.engine.check(Guide(GuideKind.REGEX, "(?=a)"))
        with pytest.raises(InvalidRequest, match=r"option guide_max_bytes"):
            subject.engine.check(Guide(GuideKind.REGEX, "a" * 65537))
        subject.engine.check(Guide(GuideKind.REGEX, "a"))


def test_what_goes_badly_with_a_guide_is_refused_or_left_out(tmp_path: Path) -> None:
    with guided(tmp_path) as subject:
        barred = bound(subject, "a", bad_words=((400,),))
        held = bound(subject, "a", ignore_eos=True, min_new_tokens=20)
        subject.run(barred, held)
        assert "together with a guide" in str(subject.news.error(barred.id))
        assert subject.news.outcome(held) == (
            [vocabulary("byte_level").token_to_id("a"), 1],
            FinishReason.EOS,
        )


@pytest.mark.parametrize(("row", "logits"), [("0.8.0", "float16"), ("1.2~", "float16"), ("1.2~", "float32")])
def test_a_bias_has_the_type_of_the_engines_logits(row: str, logits: str, tmp_path: Path) -> None:
    built = model(tmp_path / "engine", row)
    config = json.loads((built.path / "config.json").read_text())
    config["pretrained_config"]["logits_dtype"] = logits
    (built.path / "config.json").write_text(json.dumps(config))
    with installed(row, step=STEP):
        subject = Subject(engine(built))
        subject.engine.open(subject.news)
        request = subject.request([300], logit_bias=((333, 1e6),))
        assert subject.run(request)[0][0] == [333] * 8
        subject.engine.close()


NO_TOKENIZER = {
    "stage": "open",
    "kind": "raise",
    "message": "/xgrammar/cpp/tokenizer_info.cc: unknown",
    "times": 1,
}


def test_a_tokenizer_that_guides_cannot_be_had_for_is_served_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with installed("1.2~", step=STEP, faults=[NO_TOKENIZER]):
        subject = Subject(engine(with_tokenizer(tmp_path)))
        subject.engine.open(subject.news)
        assert not subject.engine.features.guides
        assert subject.run(subject.request([300]))[0][1] is FinishReason.LENGTH
        subject.engine.close()
    assert "serves without" in caplog.text


def test_on_several_ranks_the_option_is_named(tmp_path: Path) -> None:
    class Team(ThreadTeam):
        def share(self, value: object, *, patient: bool = False) -> object:
            return value

    built, given = with_tokenizer(tmp_path), options()
    team = Team(0, 2, Meeting(2))
    manager = ExecutorManager(built, given, team, ends_of(built), checker(given), again=False)
    with installed("1.2~", faults=[NO_TOKENIZER]), pytest.raises(LoadError, match="guided_decoding=off"):
        manager._construct()
