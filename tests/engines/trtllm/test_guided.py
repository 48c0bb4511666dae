from __future__ import annotations

import logging
from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel, EngineRequest, Guide, GuideKind, SamplingParams
from djl_trtllm.engines.trtllm import guided
from djl_trtllm.engines.trtllm.sequences import Ends
from tests.contract.tensorrt_llm_stand_in import installed
from tests.contract.tensorrt_llm_stand_in.rows import minor
from tests.support.trtllm_engines import EXECUTOR_ROWS, options
from tests.support.vocabularies import vocabulary

REGEX = Guide(GuideKind.REGEX, "a+")
ROWS = [row for row in EXECUTOR_ROWS if minor(row) >= (0, 16)]


@pytest.fixture
def model(tmp_path: Path) -> CompiledModel:
    (tmp_path / "tokenizer.json").write_text(vocabulary("byte_level").to_str(), encoding="utf-8")
    return CompiledModel(tmp_path, "m")


def test_an_answer_with_a_guide_ends_where_the_guide_ends() -> None:
    held = SamplingParams(max_new_tokens=9, min_new_tokens=4, ignore_eos=True, seed=3, do_sample=True)
    plain = EngineRequest(1, [5], held)
    assert guided.effective(plain) is plain
    bound = guided.effective(EngineRequest(1, [5], held, REGEX))
    assert (bound.sampling.min_new_tokens, bound.sampling.ignore_eos) == (0, False)
    assert (bound.sampling.seed, bound.sampling.max_new_tokens, bound.guide) == (3, 9, REGEX)
    asked = EngineRequest(1, [5], SamplingParams(max_new_tokens=9), REGEX)
    assert guided.effective(asked) is asked


def test_tokens_come_from_the_tokenizer_that_serving_uses(model: CompiledModel) -> None:
    found = guided.tokens(model, options(), Ends((1, 7)), 1000)
    assert found is not None
    assert (len(found.tokens), list(found.stops)) == (524, [1, 7])
    elsewhere = CompiledModel(Path("/nowhere"), "m", text=model.path)
    assert guided.tokens(elsewhere, options(), Ends((1,)), 1000) is not None


def test_why_there_are_no_guides_is_said(
    model: CompiledModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert guided.tokens(model, options(guided_decoding="off"), Ends((1,)), 1000) is None
    assert not caplog.messages
    assert guided.tokens(model, options(), Ends(), 1000) is None
    assert guided.tokens(CompiledModel(tmp_path / "no", "m"), options(), Ends((1,)), 1000) is None
    assert caplog.messages == [
        "Answers cannot be bound to guides: no token of the model is known to end a text.",
        "Answers cannot be bound to guides: tokenizer.json cannot be read (FileNotFoundError).",
    ]


@pytest.mark.parametrize("row", ROWS)
def test_every_release_is_spoken_to_in_its_own_words(row: str, model: CompiledModel) -> None:
    known = guided.tokens(model, options(), Ends((1,)), 1000)
    assert known is not None
    with installed(row) as recorder:
        from tensorrt_llm.bindings import executor

        guided.config(executor, known)
        for kind in GuideKind:
            guided.params(executor, Guide(kind, "a"))
        (config,) = recorder.of("GuidedDecodingConfig")
        types = [call.arguments["guide_type"] for call in recorder.of("GuidedDecodingParams")]
    assert config.arguments["backend"] == "XGRAMMAR"
    assert config.arguments["encoded_vocab"] == list(known.tokens)
    assert config.arguments["stop_token_ids"] == [1]
    assert types == ["JSON_SCHEMA", "REGEX", "EBNF_GRAMMAR"]


def test_enums_beside_their_classes_are_found_too() -> None:
    class Params:
        def __init__(self, guide_type: str, guide: str) -> None:
            self.said = (guide_type, guide)

    class Bindings:
        GuidedDecodingParams = Params

        class GuideType:
            REGEX = "the type"

    assert guided.params(Bindings, REGEX).said == ("the type", "a+")
