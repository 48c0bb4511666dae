"""The error tree and what of it fits on DJL's wire."""

import inspect

import pytest

from djl_trtllm import errors
from djl_trtllm.errors import WIRE_TEXT_LIMIT, Busy, DjlTrtllmError, InvalidRequest, LoadError, RequestError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, DjlTrtllmError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_is_drawn_with_its_status(kind):
    line = next(line for line in (errors.__doc__ or "").splitlines() if kind.__name__ in line.split())
    if kind not in (DjlTrtllmError, RequestError, LoadError) and any(c.isdigit() for c in line):
        assert str(kind.status) in line


def test_codes_are_stable_and_unique_below_the_roots():
    leaves = [c for c in CLASSES if not c.__subclasses__()]
    assert len({c.code for c in leaves}) == len(leaves)


def test_all_problems_fit_when_they_are_short():
    assert InvalidRequest("One.", "Two.").wire_text() == "One. Two." == str(InvalidRequest("One.", "Two."))


def test_as_many_problems_as_fit_and_the_number_of_the_rest():
    text = InvalidRequest(*(f"Problem number {i} is explained at length." for i in range(20))).wire_text()
    assert len(text) <= WIRE_TEXT_LIMIT
    kept = text.count("Problem")
    assert text.endswith(f"And {20 - kept} more.")


def test_one_long_problem_is_cut():
    assert len(InvalidRequest("x" * 1000).wire_text()) == WIRE_TEXT_LIMIT
    assert InvalidRequest("x" * 1000, "y").wire_text().endswith("... And 1 more.")


def test_the_wire_text_is_one_ascii_line():
    text = Busy("Größe\r\nzwei\u2028drei\x00").wire_text()
    assert text == "Gr??e zwei drei"


def test_without_a_text_the_code_speaks():
    assert str(Busy()) == "busy"
