"""What a run says of itself, and what it does where atheris is not installed."""

from __future__ import annotations

import json
import types
from pathlib import Path

import pytest

from fuzz import __main__ as fuzz
from fuzz import by_hypothesis, catalog
from fuzz.catalog import Target

LOG = """#2\tINITED cov: 5
#1024\tpulse  cov: 9 exec/s: 10
Done 1100 runs in 3 second(s)
stat::number_of_executed_units: 1101
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setattr(catalog, "CORPUS", tmp_path / "corpus")
    monkeypatch.setattr(catalog, "OUT", tmp_path / "out")
    made = Target("toy", "says")
    made.seeds.mkdir(parents=True)
    made.out.mkdir(parents=True)
    (made.seeds / "one").write_bytes(b"good")
    return made


def module(monkeypatch: pytest.MonkeyPatch, check) -> None:
    toy = types.SimpleNamespace(WORDS=(b"bad",), prepared=lambda: check)
    monkeypatch.setattr(Target, "module", lambda self: toy)


@pytest.mark.parametrize(("log", "count"), [(LOG, 1101), (LOG[:60], 1024), ("", 0)])
def test_executions_are_read_from_the_log(log: str, count: int) -> None:
    assert fuzz.executions(log) == count


def test_unknown_targets_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fuzz.main(["--only", "wires"])
    assert "'wires' is no target: wire, " in capsys.readouterr().err


def test_targets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--list"]) == 0
    assert capsys.readouterr().out.count("\n") == len(catalog.TARGETS)


def test_hypothesis_keeps_a_finding(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(data: bytes) -> None:
        assert b"bad" not in data

    module(monkeypatch, check)
    with pytest.raises(AssertionError):
        by_hypothesis.run(target, 30)
    (kept,) = target.out.glob("crash-*")
    assert b"bad" in kept.read_bytes()


def test_hypothesis_counts(
    target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[bytes] = []
    module(monkeypatch, seen.append)
    assert by_hypothesis.run(target, 1) == 0
    assert fuzz.executions(capsys.readouterr().out) == len(seen) > 100
    assert any(data != b"good" and data.startswith(b"go") for data in seen)


def test_a_target_that_ends_badly_is_short(
    target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz, "OUT", target.out.parent)
    monkeypatch.setattr(fuzz.catalog, "chosen", lambda names: [target])
    assert fuzz.main(["--seconds", "1"]) == 1  # no such target in the child
    said = capsys.readouterr()
    assert "short" in said.out
    assert "is no target" in said.err
    (result,) = json.loads((target.out.parent / "results.json").read_text())
    assert result["failed"]
