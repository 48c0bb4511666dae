"""Seconds of stages, added up and passed on."""

from __future__ import annotations

import time

import pytest

from djl_trtllm.compile.stages import StageTimes
from tests.support.plans import Stages


def test_stages_add_up_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    heard = Stages()
    times = StageTimes(heard)
    clock[0] += 5
    for name, seconds in (("reading", 1.0), ("converting", 2.25), ("converting", 0.25), ("reading", 1.04)):
        times.stage(name, 50.0)
        clock[0] += seconds
    assert times.seconds() == {"reading": 2.0, "converting": 2.5}
    assert times.elapsed() == 9.5
    assert heard.names == ["reading", "converting", "converting", "reading"]
    assert StageTimes(heard).seconds() == {}
