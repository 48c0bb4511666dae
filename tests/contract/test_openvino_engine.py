"""The OpenVINO engine over a tiny model keeps the rules of the seam, alone and under its supervisor."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tokenizers import Tokenizer

from djl_trtllm.engines.supervisor import Supervisor
from tests.contract.engine_suite import EngineSuite, Harness
from tests.support.engines import KV_TOKENS, compiled, openvino_engine


def decode(ids: Sequence[int]) -> str:
    """Return the text of ids of the tiny model."""
    return str(Tokenizer.from_file(str(compiled("llama").text_path / "tokenizer.json")).decode(list(ids)))


@pytest.mark.compile
class TestOpenVINOEngine(EngineSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, tmp_path_factory: pytest.TempPathFactory) -> Harness:
        scratch = tmp_path_factory.mktemp("models")
        return Harness(lambda eos: openvino_engine(scratch, eos), KV_TOKENS, decode)


@pytest.mark.compile
class TestSupervisedOpenVINOEngine(EngineSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, tmp_path_factory: pytest.TempPathFactory) -> Harness:
        scratch = tmp_path_factory.mktemp("models")
        return Harness(lambda eos: Supervisor(lambda: openvino_engine(scratch, eos)), KV_TOKENS, decode)
