"""What an engine just built is asked, on every release, and what becomes of one that does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.engines.building.news import Failed
from djl_trtllm.engines.trtllm import probe_child, quality
from djl_trtllm.engines.trtllm.probe_child import ProbeJob
from djl_trtllm.errors import ArtifactError, CompileError, GenerationFailed, OutOfMemory
from tests.contract.tensorrt_llm_stand_in import ROWS, expected_tokens, installed
from tests.contract.tensorrt_llm_stand_in.rows import minor
from tests.support.plans import Stages
from tests.support.toy_engine import ToyEngine, toy_limits
from tests.support.trtllm_engines import VOCAB, model, options

EVERY_RUN = ("0.8.0", "0.9.0", "0.12.0", "1.2~")
ENGINE_ROWS = [
    pytest.param(row, marks=() if row in EVERY_RUN else pytest.mark.long)
    for row in ROWS
    if minor(row) < (1, 3)
]


@pytest.mark.parametrize("row", ENGINE_ROWS)
def test_an_engine_is_asked_for_one_token_after_each_prefix(row: str, tmp_path: Path) -> None:
    prefixes = [[300 + number] * (1 + number % 5) for number in range(40)]
    with installed(row):
        model(tmp_path / "engine", row, eos=expected_tokens(prefixes[0], 1, vocab_size=VOCAB)[0])
        job = ProbeJob(
            engine=str(tmp_path / "engine"),
            origin="mine",
            options=probe_child.properties(quality.as_set(options())),
            prefixes=prefixes,
        )
        found = probe_child.probe(job, Stages())
    assert found == {"tokens": [expected_tokens(prefix, 1, vocab_size=VOCAB)[0] for prefix in prefixes]}


@pytest.mark.parametrize(
    ("toy", "words"),
    [
        (ToyEngine(limits=toy_limits(max_input_len=4)), "5 tokens, the limit is 4"),
        (ToyEngine(die_when=lambda request: True), "the engine did not answer: "),
        (
            ToyEngine(fail=lambda request: GenerationFailed("Given up.")),
            "the engine did not answer: Given up",
        ),
    ],
)
def test_an_engine_that_does_not_answer_is_said(toy: ToyEngine, words: str) -> None:
    with pytest.raises(CompileError, match=words):
        probe_child.next_tokens(toy, [[300] * 5], Stages())


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OutOfMemory("no room"), "memory", "no room"),
        (ArtifactError("The engine is of another release."), "build", "of another release"),
        (CompileError("the engine did not answer"), "build", "did not answer"),
        (
            RuntimeError("cannot open /a/b/rank0.engine"),
            "build",
            "does not run: RuntimeError: cannot open rank0.engine",
        ),
    ],
)
def test_what_the_child_tells_its_parent(tmp_path: Path, error: Exception, kind: str, words: str) -> None:
    job = ProbeJob(engine=str(tmp_path), origin="mine", options={}, prefixes=[[1]])
    found = probe_child.failed(error, job)
    assert isinstance(found, Failed)
    assert found.kind == kind
    assert words in " ".join(found.problems)
