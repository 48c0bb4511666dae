"""The engine over the LLM API keeps the rules of the seam, for each row that has its PyTorch backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from djl_trtllm.engines.base import Engine
from tests.contract.engine_suite import EngineSuite, Harness
from tests.contract.tensorrt_llm_stand_in import ROWS, installed
from tests.support.llm_engines import CONTEXT, SLOTS, checkpoint, llm_engine
from tests.support.vocabularies import vocabulary

TOKENIZERS_END = 1
LLM_ROWS = [row for row in ROWS if row.startswith("1.")]


class TestLLMEngine(EngineSuite):
    @pytest.fixture(scope="class", params=LLM_ROWS)
    @classmethod
    def harness(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Harness]:
        scratch = tmp_path_factory.mktemp("checkpoints")
        with installed(request.param):
            yield Harness(lambda eos: llm_engine(checkpoint(scratch / f"eos-{eos}", eos)), SLOTS * CONTEXT)


class TestLLMEngineWithGuides(EngineSuite):
    """With a tokenizer beside the checkpoint, of which the library then makes its own."""

    @pytest.fixture(scope="class", params=LLM_ROWS)
    @classmethod
    def harness(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Harness]:
        scratch = tmp_path_factory.mktemp("checkpoints")
        tokenizer = vocabulary("byte_level")

        def make(eos: int | None) -> Engine:
            directory = scratch / f"eos-{eos}"
            made = checkpoint(directory, TOKENIZERS_END if eos is None else eos, vocab_size=600)
            (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
            return llm_engine(made)

        with installed(request.param):
            yield Harness(make, SLOTS * CONTEXT, tokenizer.decode)
