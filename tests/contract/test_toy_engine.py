"""The toy engine keeps the rules too: what is tested with it would hold with a real one."""

from __future__ import annotations

import pytest

from djl_trtllm.core import Features
from djl_trtllm.engines.supervisor import Supervisor
from tests.contract.engine_suite import EngineSuite, Harness
from tests.support.toy_engine import EVERYTHING, ToyEngine, toy_limits


def toy(eos: int | None = None, features: Features | None = None) -> ToyEngine:
    """A toy engine that takes a millisecond per step."""
    limits = toy_limits(kv_cache_tokens=1024)
    return ToyEngine(limits=limits, features=features or Features(), step_delay=0.001, eos_id=eos)


class TestToyEngine(EngineSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls) -> Harness:
        return Harness(toy, 1024)


class TestToyEngineWithEverything(EngineSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls) -> Harness:
        return Harness(lambda eos: toy(eos, EVERYTHING), 1024)


class TestSupervisedToyEngine(EngineSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls) -> Harness:
        return Harness(lambda eos: Supervisor(lambda: toy(eos, EVERYTHING)), 1024)
