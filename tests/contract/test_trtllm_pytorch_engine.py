"""The engine over the LLM API keeps the rules of the seam, for each row that has its PyTorch backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.engine_suite import EngineSuite, Harness
from tests.contract.tensorrt_llm_stand_in import ROWS, installed
from tests.support.llm_engines import CONTEXT, SLOTS, checkpoint, llm_engine

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
