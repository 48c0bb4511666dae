from __future__ import annotations

from djl_trtllm.engines.trtllm.families import FAMILIES
from djl_trtllm.engines.trtllm.option_docs import as_markdown, families_as_markdown


def test_every_family_has_a_line() -> None:
    lines = families_as_markdown().splitlines()[2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == [kind.title for kind in FAMILIES]
    assert "| Falcon | `FalconForCausalLM`, `RWForCausalLM` | 0.12 | fp8, int8, int4 |" in lines
    assert lines[0].endswith(
        "| 0.8 | smoothquant (from 0.10), awq (from 0.10), fp8 (from 0.10), int8 (from 0.11), int4 (from 0.11) |"
    )


def test_every_row_of_the_tables_has_three_cells() -> None:
    rows = [line for line in as_markdown().splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in rows if "---" not in line} == {2}
