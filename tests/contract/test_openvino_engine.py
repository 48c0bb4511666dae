"""The OpenVINO engine over a tiny model keeps the rules of the seam, alone and under its supervisor."""

from __future__ import annotations

import pytest

from djl_trtllm.engines.supervisor import Supervisor
from tests.contract.engine_suite import EngineSuite, Harness
from tests.support.engines import KV_TOKENS, openvino_engine


@pytest.mark.compile
class TestOpenVINOEngine(EngineSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, tmp_path_factory: pytest.TempPathFactory) -> Harness:
        scratch = tmp_path_factory.mktemp("models")
        return Harness(lambda eos: openvino_engine(scratch, eos), KV_TOKENS)


@pytest.mark.compile
class TestSupervisedOpenVINOEngine(EngineSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, tmp_path_factory: pytest.TempPathFactory) -> Harness:
        scratch = tmp_path_factory.mktemp("models")
        return Harness(lambda eos: Supervisor(lambda: openvino_engine(scratch, eos)), KV_TOKENS)
