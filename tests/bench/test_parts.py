from __future__ import annotations

import pytest

from bench import __main__ as program
from bench import parts, stats
from bench.parts import Part


def test_names_are_different_and_fit_into_ids() -> None:
    names = [part.name for part in parts.PARTS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


def test_parts_are_chosen_by_name_or_by_bar_in_their_own_order() -> None:
    assert [part.name for part in parts.chosen(["p9", "handler"])] == ["handler", "validation"]
    assert parts.chosen([]) == list(parts.PARTS)


def test_every_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main(["--only", "speed", "P9", "P99"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "there is no speed, P99: choose from handler, P1," in said


def test_no_pairs_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--pairs", "0"])
    assert "--pairs 0: at least one is needed, and 9 for a verdict" in capsys.readouterr().err


def test_the_list_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--list", "--only", "P7", "served"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["served", "detokenise"]


def test_a_part_that_fails_does_not_keep_others_from_being_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> list[stats.Figure]:
        raise RuntimeError("the engine is gone")

    def well() -> list[stats.Figure]:
        return stats.told([stats.plain("well/done", [1.0], "x")])

    made = tuple(Part(name, (), "", lambda _: [], quick) for name, quick in (("bad", fail), ("well", well)))
    monkeypatch.setattr(parts, "PARTS", made)
    assert program.main(["--quick"]) == 1
    said = capsys.readouterr()
    assert "well/done" in said.out
    assert "RuntimeError: the engine is gone" in said.err
    assert "failed, see above: bad" in said.err
