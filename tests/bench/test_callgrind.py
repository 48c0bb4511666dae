"""What callgrind writes is read as it is meant; the counting itself needs valgrind (`apt install valgrind`)."""

from __future__ import annotations

import pytest

from bench import callgrind
from bench.callgrind import Span

PART = """# callgrind format
version: 1
part: 2
desc: Trigger: --dump-before=getsid
positions: line
events: Ir
summary: 1234

ob=(1) /usr/lib/libpython3.11.so.1.0
fl=(1) obmalloc.c
fn=(10) PyEval_EvalFrame
12 100
cfn=(11) _PyObject_Malloc
calls=3 20
12 60
cfn=(12) _PyObject_Realloc'2
calls=2 30
* 40

fn=(11)
+4 60
cfn=(10)
calls=7 12
* 900

fn=(13) memcpy
20 30
cfn=(11)
calls=4 20
20 44

totals: 1234
"""


def test_instructions_and_calls_of_the_allocators_are_read() -> None:
    assert callgrind.read(PART.splitlines()) == Span(instructions=1234, allocations=9)


@pytest.mark.long
def test_spans_are_counted_apart_and_a_second_time_alike() -> None:
    assert callgrind.available(), "valgrind is missing: apt install valgrind"
    first, second = (callgrind.run("tests.support.counted") for _ in range(2))
    assert list(first) == ["1000", "10000"]
    assert 9 < first["10000"].instructions / first["1000"].instructions < 11
    # None are seen where Python has no symbols.
    assert first["10000"].allocations > 10_000 or first["10000"].allocations == 0
    for name, span in first.items():
        # Where a pool of small objects happens to be at its edge, each of these calls costs 11 more of its 950.
        assert abs(second[name].instructions / span.instructions - 1) < 0.02
