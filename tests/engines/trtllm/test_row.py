from __future__ import annotations

import pytest

from djl_trtllm.engines.trtllm import llm_map, option_rows
from djl_trtllm.engines.trtllm.row import Left, Places, Row, apply, option
from djl_trtllm.engines.trtllm.situation import Situation
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options import sources
from djl_trtllm.options.runtimes import UNUSED
from djl_trtllm.options.table import SPECS


def applied(
    row: Row, release: tuple[int, int] = (0, 12), **options: str
) -> tuple[Places, list[str], list[str]]:
    situation = Situation(sources.read(options, {}), Release(*release), None, {}, 1, 1)
    places: Places = {}
    notes: list[str] = []
    problems: list[str] = []
    apply([row], situation, lambda place: place != "Elsewhere", places, notes, problems)
    return places, notes, problems


def test_a_row_is_for_its_releases_only() -> None:
    row = Row("max_input_len", ("Place.name",), since=(0, 9), until=(0, 11))
    assert applied(row, (0, 8)) == ({}, [], [])
    assert applied(row, (0, 9)) == ({"Place": {"name": 1024}}, [], [])
    assert applied(row, (0, 11)) == ({}, [], [])


def test_a_place_may_have_dots_and_be_unused() -> None:
    row = Row("max_input_len", ("model.config.name", "Elsewhere.name"), value=option("max_output_len"))
    assert applied(row)[0] == {"model.config": {"name": 512}}
    assert applied(Row("use_fused_mlp", ("Elsewhere.name",), note="is not"), use_fused_mlp="true")[1] == []


def test_what_is_left_out_is_told_of_where_it_was_set() -> None:
    row = Row("use_fused_mlp", value=lambda _: Left.OUT, note="is not here")
    assert applied(row)[1] == []
    assert applied(row, use_fused_mlp="false")[1] == []
    assert applied(row, use_fused_mlp="true")[1] == [
        "use_fused_mlp=true (from serving.properties) is not here."
    ]
    same = Row("use_fused_mlp", value=lambda _: Left.SAME, note="is not here")
    assert applied(same, use_fused_mlp="true")[1] == []


def test_a_refusal_is_a_problem() -> None:
    found = applied(Row("quantize", refusal="cannot be"), quantize="awq")
    assert found == ({}, [], ["quantize=awq (from serving.properties) cannot be."])


@pytest.mark.parametrize(
    ("runtime", "rows"),
    [("trtllm", option_rows.ROWS), ("trtllm-pytorch", llm_map.ROWS)],
    ids=["trtllm", "pytorch"],
)
def test_no_option_is_both_used_and_unused(runtime: str, rows: list[Row]) -> None:
    named = {row.option for row in rows if row.option}
    assert named <= set(SPECS)
    assert not named & set(UNUSED[runtime])


@pytest.mark.parametrize("rows", [option_rows.ROWS, llm_map.ROWS], ids=["trtllm", "pytorch"])
def test_rows_of_one_argument_never_overlap(rows: list[Row]) -> None:
    for row in rows:
        for other in rows:
            shared = set(row.to) & set(other.to)
            if row is not other and shared and row.option == other.option:
                assert row.until <= other.since or other.until <= row.since, shared
