"""What a build is expected to take, against the time that is left and the memory that there is."""

from __future__ import annotations

import time

import pytest

from djl_trtllm.engines import resources
from djl_trtllm.engines.estimate import Compiling, Span
from djl_trtllm.engines.resources import Memory
from djl_trtllm.options import sources
from djl_trtllm.service.budget import Budget, duration
from tests.support import estimates

GIB = 2**30


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "host_memory", lambda: Memory(16 * GIB, 8 * GIB))


class At(Budget):
    """A budget of which `used` seconds are gone, however long the test takes."""

    used = 0.0

    def left(self) -> float:
        return self.seconds - self.used


def budget(used: float = 0.0, ranks: int = 1, **values: object) -> Budget:
    options = sources.read({name: str(value) for name, value in values.items()}, {})
    made = At(options, ranks, time.monotonic())
    made.used = used
    return made


def test_the_time_runs_from_the_beginning_of_the_load() -> None:
    begun = Budget(sources.read({}, {}), 1, time.monotonic() - 100)
    assert 0 < begun.left() <= 140


def test_what_fits_is_said_and_nothing_more() -> None:
    expected, warnings = budget().lines("my model", estimates.ESTIMATE)
    assert expected == (
        "compiling my model is expected to take 10 s to 100 s (rough), 2.0 GiB of memory and 1.0 GiB of disk"
    )
    assert warnings == []


def test_where_nothing_is_compiled_nothing_is_said() -> None:
    assert budget().lines("m", estimates.estimate(compiling=None)) == (None, [])


def test_what_cannot_fit_into_the_time_left_names_option_and_command() -> None:
    assert budget(used=229).lines("my model", estimates.ESTIMATE)[1] == []
    (warning,) = budget(used=230).lines("my model", estimates.ESTIMATE)[1]
    assert warning.startswith(
        "Compiling and loading my model takes 11 s or more, and 10 s are left of model_loading_timeout=240 (from"
        " default): the load will be ended before it is done. Compile ahead of time with `djl-trtllm compile`, or"
        " raise option.model_loading_timeout."
    )


def test_time_that_is_over_is_none_left() -> None:
    (warning,) = budget(used=500).lines("m", estimates.ESTIMATE)[1]
    assert " 0 s are left" in warning


def test_ranks_give_up_before_djl_does() -> None:
    (warning,) = budget(used=200, ranks=2).lines("m", estimates.ESTIMATE)[1]
    assert "rank_timeout=210 (from default)" in warning
    assert "raise option.rank_timeout and option.model_loading_timeout" in warning
    later = budget(ranks=2, rank_timeout=900, model_loading_timeout=600)
    assert (later.name, later.seconds) == ("model_loading_timeout", 600)


def test_memory_that_is_not_there_is_said() -> None:
    large = estimates.estimate(compiling=Compiling(20 * GIB, GIB, Span(1, 2, "rough")))
    (warning,) = budget().lines("my model", large)[1]
    assert warning.startswith("Compiling my model takes about 20.0 GiB of memory, and 8.0 GiB are free")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (45.4, "45 s"), (119, "119 s"), (180, "3 min"), (7200, "2 h"), (8000, "2 h 13 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
