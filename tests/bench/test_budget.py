"""The hot path stays within its budget of bytecode, calls and memory: no clock is asked, so no load can break it."""

import json
import sys
from pathlib import Path

import pytest

from bench import budget, counts, djl

COUNTS = {"jsonlines": {"token": {"calls": 10.0, "blocks": 0.0}, "arrival": {"bytes": 2000.0}}}


@pytest.fixture(scope="module")
def counted() -> budget.Counts:
    djl.extract(djl.VERSIONS[0])
    return budget.measure()


def test_nothing_is_over_its_budget(counted: budget.Counts) -> None:
    allowed, room = budget.allowed(sys.version_info[:2], budget.read())
    over = budget.exceeded(counted, allowed, room)
    assert not over, (
        "The hot path costs more than bench/budget.json allows. If it has to, write the budget anew with "
        "`python -m bench.counts --write` and say in the commit what the cost is for:\n" + "\n".join(over)
    )


def test_the_budget_is_not_far_above_what_is_used(counted: budget.Counts) -> None:
    allowed, room = budget.allowed(sys.version_info[:2], budget.read())
    stale = budget.stale(counted, allowed) if room == budget.ROOM else []
    assert not stale, (
        "The hot path became cheaper; write the budget anew with `python -m bench.counts --write`, or the next "
        "loss hides in the difference:\n" + "\n".join(stale)
    )


def test_what_is_over_is_named_with_both_numbers() -> None:
    dearer = {"jsonlines": {"token": {"calls": 12.0, "blocks": 0.4}, "arrival": {"bytes": 2500.0}}}
    assert budget.exceeded(dearer, COUNTS, budget.ROOM) == [
        "jsonlines, calls per token: 12, budget 10 (+20.0%)",
        "jsonlines, bytes per arrival: 2500, budget 2000 (+25.0%)",
    ]


def test_a_few_per_cent_are_room() -> None:
    close = {"jsonlines": {"token": {"calls": 10.7, "blocks": 0.5}, "arrival": {"bytes": 2100.0}}}
    assert budget.exceeded(close, COUNTS, budget.ROOM) == []
    assert budget.stale(close, COUNTS) == []


def test_what_is_given_back_is_held_to_its_budget_too() -> None:
    budgeted = {"jsonlines": {"ending": {"blocks": -50.0}}}
    assert budget.exceeded(budgeted, budgeted, budget.ROOM) == []
    assert budget.stale(budgeted, budgeted) == []
    assert budget.exceeded({"jsonlines": {"ending": {"blocks": 5.0}}}, budgeted, budget.ROOM) == [
        "jsonlines, blocks per ending: 5, budget -50 (+110.0%)"
    ]


def test_a_budget_above_what_is_used_is_named() -> None:
    cheaper = {"jsonlines": {"token": {"calls": 6.0, "blocks": 0.0}, "arrival": {"bytes": 1900.0}}}
    assert budget.stale(cheaper, COUNTS) == ["jsonlines, calls per token: 6, budget 10"]


def test_another_format_asks_for_another_budget() -> None:
    with pytest.raises(ValueError, match=r"is of \['jsonlines'\], counted were \['chat'\]"):
        budget.exceeded({"chat": {}}, COUNTS, budget.ROOM)


def test_another_python_is_held_to_the_version_before_it_with_more_room() -> None:
    budgets = {"3.11": COUNTS, "3.13": {}}
    assert budget.allowed((3, 11), budgets) == (COUNTS, budget.ROOM)
    assert budget.allowed((3, 12), budgets) == (COUNTS, budget.ROOM_ELSEWHERE)
    assert budget.allowed((3, 14), budgets) == ({}, budget.ROOM_ELSEWHERE)
    assert budget.allowed((3, 10), budgets) == (COUNTS, budget.ROOM_ELSEWHERE)
    with pytest.raises(ValueError, match="holds no budget"):
        budget.allowed((3, 11), {})


def test_writing_keeps_the_budgets_of_other_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "budget.json"
    file.write_text(json.dumps({"3.1": {}}))
    monkeypatch.setattr(budget, "FILE", file)
    monkeypatch.setattr(budget, "measure", lambda: COUNTS)
    assert counts.main(["--write"]) == 0
    here = "{}.{}".format(*sys.version_info)
    assert json.loads(file.read_text()) == {"3.1": {}, here: COUNTS}
    assert counts.main([]) == 0
    monkeypatch.setattr(
        budget,
        "measure",
        lambda: {"jsonlines": {**COUNTS["jsonlines"], "token": {"calls": 99.0, "blocks": 0.0}}},
    )
    assert counts.main([]) == 1
    assert "over its budget: jsonlines, calls per token: 99, budget 10" in capsys.readouterr().out
