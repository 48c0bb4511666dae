"""The table of faults: what is chosen, judged, shown and recorded, and what a scenario that fails does to it."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path

import pytest

from chaos import __main__ as program
from chaos import catalog, child, memory, objects, report
from chaos.catalog import Scenario
from chaos.figure import Bar, Figure, at_least, at_most, exactly
from chaos.scale import Scale
from djl_trtllm.core import Prompt


def figure(id_: str = "R1.lost", value: float | None = 0.0) -> Figure:
    return Figure(id_, "a fault", value, "requests", Bar("<=", 0))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run scenarios in this process and record elsewhere."""
    file = tmp_path / "results.json"
    monkeypatch.setattr(child, "run", lambda scenario, scale: scenario.run(scale))
    monkeypatch.setattr(report, "RESULTS", file)
    return file


def register(monkeypatch: pytest.MonkeyPatch, **runs: object) -> None:
    """Let the catalog consist of these modules, R1, R2 and so on."""
    scenarios = []
    for number, (name, run) in enumerate(runs.items(), start=1):
        module = types.ModuleType(name)
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"chaos.scenarios.{name}", module)
        scenarios.append(Scenario(f"R{number}", name, f"fault {number}"))
    monkeypatch.setattr(catalog, "SCENARIOS", tuple(scenarios))


def test_every_scenario_of_the_catalog_is_there_once() -> None:
    modules = [one.module for one in catalog.SCENARIOS]
    assert len(set(modules)) == len(modules)
    missing = [name for name in modules if importlib.util.find_spec(f"chaos.scenarios.{name}") is None]
    assert missing == []
    assert all(one.promise[0] == "R" and 1 <= int(one.promise[1:]) <= 22 for one in catalog.SCENARIOS)


def test_bars_judge() -> None:
    assert at_most("R1.a", "", 1.0, 1, "").verdict == "pass"
    assert at_most("R1.a", "", 1.1, 1, "").verdict == "short"
    assert at_least("R1.a", "", 99.9, 100, "%").verdict == "short"
    assert exactly("R1.a", "", 1, 1, "builds").verdict == "pass"
    assert exactly("R1.a", "", 2, 1, "builds").verdict == "short"
    assert at_most("R1.a", "", float("nan"), 1, "").verdict == "short"
    assert figure(value=None).verdict == "failed"


def test_a_bar_that_compares_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="'<' compares nothing: choose from <=, >=, =="):
        Bar("<", 1)


def test_scales_say_how_much() -> None:
    assert [scale.of(1000, 100, 10) for scale in Scale] == [1000, 100, 10]
    assert Scale.SMALLEST.of(1000, 100) == 100


def test_a_figure_survives_its_entry() -> None:
    made = Figure("R2.typed_error", "dies", 0.4, "s", Bar("<=", 1), "of 9", (0.1, 0.4))
    assert Figure.of_entry(json.loads(json.dumps(made.entry()))) == made
    assert figure(value=None).entry()["verdict"] == "failed"
    assert figure().entry()["spread"] == [0.0, 0.0]


def test_all_well_is_zero_and_recorded(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register(monkeypatch, one=lambda scale: [figure(value=float(scale.of(7, 0)))])
    assert program.main(["--quick"]) == 0
    said = capsys.readouterr().out
    assert "R1 | fault" not in said
    assert "R1 | a fault | lost: 0 requests | <= 0 | pass" in said
    assert "1 pass (quick counts)" in said
    (entry,) = json.loads(results.read_text())
    assert {"id", "value", "spread", "unit", "bar", "verdict", "fault", "detail"} <= entry.keys()
    assert (entry["verdict"], entry["scale"]) == ("pass", "quick")


def test_anything_short_is_one(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, one=lambda scale: [figure(), figure("R1.late", 3.0)])
    assert program.main([]) == 1
    assert [entry["verdict"] for entry in json.loads(results.read_text())] == ["pass", "short"]


def test_a_scenario_that_raises_is_failed_and_the_others_run(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(scale: Scale) -> list[Figure]:
        raise RuntimeError("the engine is gone")

    register(monkeypatch, one=fail, two=lambda scale: [figure("R2.lost")])
    assert program.main([]) == 1
    said = capsys.readouterr()
    assert "the engine is gone" in said.err
    assert "R1 | fault 1 | no figure" in said.out
    assert [entry["verdict"] for entry in json.loads(results.read_text())] == ["failed", "pass"]


def test_what_is_recorded_of_others_stays(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, one=lambda scale: [figure()], two=lambda scale: [figure("R2.lost")])
    program.main([])
    program.main(["--only", "r2"])
    assert [entry["id"] for entry in json.loads(results.read_text())] == ["R1.lost", "R2.lost"]


def test_promises_are_chosen_and_every_unknown_one_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register(monkeypatch, one=lambda scale: [], two=lambda scale: [])
    assert program.main(["--list", "--only", "two"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["R2", "two"]
    with pytest.raises(SystemExit):
        program.main(["--only", "R1", "R98", "R99"])
    assert "there is no R98, R99: choose from R1, R2" in capsys.readouterr().err


def test_a_child_that_fails_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(child.ScenarioFailed, match=r"(?s)ended with code 1; .*StopIteration"):
        child.run(Scenario("R1", "nowhere", ""), Scale.QUICK, tmp_path)


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(child.ScenarioFailed, match="nowhere took longer than 0 s; "):
        child.run(Scenario("R1", "nowhere", "", limit=0), Scale.QUICK, tmp_path)


def test_what_stays_alive_is_told() -> None:
    before = objects.alive()
    kept = [Prompt("the sea") for _ in range(3)]
    assert objects.grown(before) == {"djl_trtllm.core.Prompt": len(kept)}
    assert objects.told(objects.grown(before)) == "3 Prompt"
    del kept
    assert objects.told(objects.grown(before)) == "nothing is left"


def test_memory_s_peak_is_forgotten_and_seen() -> None:
    before = memory.settle()
    memory.forget_peak()
    block = bytearray(64 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    del block
    assert memory.peak() - before > 60 * 2**20
    memory.forget_peak()
    assert memory.peak() - memory.settle() < 32 * 2**20


@pytest.mark.parametrize(
    ("value", "spread", "interval", "verdict"),
    [
        (4.0, (1.0, 9.0), True, "pass"),
        (6.0, (4.0, 9.0), True, "undecided"),
        (6.0, (5.5, 9.0), True, "short"),
        (6.0, (4.0, 9.0), False, "short"),
    ],
)
def test_a_value_that_noise_may_have_moved_is_undecided(value, spread, interval, verdict) -> None:
    figure = Figure("R9.change", "slow", value, "%", Bar("<=", 5), "", spread, interval)
    assert figure.verdict == verdict
    assert Figure.of_entry(figure.entry()) == figure
