"""What callgrind writes is read as it is meant; the counting itself needs valgrind (`apt install valgrind`)."""

from __future__ import annotations

import pytest

from bench import callgrind, counts_side, djl
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
@pytest.mark.timeout(900)
def test_the_handler_is_counted_and_a_second_time_alike() -> None:
    assert callgrind.available(), "valgrind is missing: apt install valgrind"
    djl.extract(djl.VERSIONS[0])
    counts_side.prepare()
    first, second = (callgrind.run("bench.counts_side", "handler", "4") for _ in range(2))
    assert list(first) == ["arrival/4", "streamed/4", "ending/4"]
    for name, span in first.items():
        assert span.instructions > 10_000
        assert abs(second[name].instructions / span.instructions - 1) < 0.02
