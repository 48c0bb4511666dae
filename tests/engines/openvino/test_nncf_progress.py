"""NNCF's own bars become stages with a percent; they are the installed NNCF's, without the rest of it and torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from djl_trtllm.engines.openvino.nncf_progress import reported

NAME = "quantising to int4"
MODULE = "nncf.common.logging.track_progress"


@pytest.fixture
def track(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    package = util.find_spec("nncf")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent.joinpath(*MODULE.split(".")[1:]).with_suffix(".py")
    for parent in ("nncf", "nncf.common", "nncf.common.logging"):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    spec = util.spec_from_file_location(MODULE, file)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, MODULE, module)
    return module.track


def test_bars_are_stages_with_a_percent(track: Any) -> None:
    told: list[tuple[str, float | None]] = []
    plain = track.__iter__
    with reported(lambda name, percent: told.append((name, percent)), NAME):
        assert list(track([5, 6, 7, 8], description="Applying AWQ")) == [5, 6, 7, 8]
        weights = [np.int64(30), np.int64(10)]
        assert list(track(["a", "b"], description="Applying Weight Compression", weights=weights)) == [
            "a",
            "b",
        ]
        assert list(track(iter("xy"), total=2, description="Statistics collection")) == ["x", "y"]
        assert list(track(iter("xy"), description="Unknown length")) == ["x", "y"]
    assert told == [
        (NAME, None),
        (f"{NAME}: applying AWQ", 0.0),
        (f"{NAME}: applying AWQ", 25.0),
        (f"{NAME}: applying AWQ", 50.0),
        (f"{NAME}: applying AWQ", 75.0),
        (NAME, None),
        (f"{NAME}: applying Weight Compression", 0.0),
        (f"{NAME}: applying Weight Compression", 75.0),
        (NAME, None),
        (f"{NAME}: unknown length", None),
        (f"{NAME}: unknown length", None),
        (NAME, None),
    ]
    assert all(percent is None or type(percent) is float for _, percent in told), (
        "JSON has no numbers of numpy's"
    )
    assert track.__iter__ is plain


def test_what_fails_leaves_the_bars_as_they_were(track: Any) -> None:
    plain = track.__iter__
    with pytest.raises(ValueError, match="no luck"), reported(lambda name, percent: None, NAME):
        raise ValueError("no luck")
    assert track.__iter__ is plain


def test_without_such_bars_there_is_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    told: list[tuple[str, float | None]] = []
    with reported(lambda name, percent: told.append((name, percent)), NAME):
        pass
    assert told == [(NAME, None)]
