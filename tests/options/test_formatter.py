from __future__ import annotations

import pytest

from djl_trtllm.formats.registry import NAMES
from djl_trtllm.options.formatter import FORMATS, FORMATTER


def test_the_names_are_those_of_the_formats() -> None:
    assert FORMATS == NAMES


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("json", "json"),
        ("SSE_chat", "sse_chat"),
        ("my.module:write", "my.module:write"),
        ("formatter.py:write", "formatter.py:write"),
        ("custom_output_formatter", "model.py:custom_output_formatter"),
    ],
)
def test_names_and_places(text: str, value: str) -> None:
    assert FORMATTER.parse(text) == value


@pytest.mark.parametrize(
    "text", ["jsonline", "json-lines", "3p", "a:b:c", "a b", "module:", ":function", "m:1"]
)
def test_slips_are_no_functions(text: str) -> None:
    with pytest.raises(ValueError):
        FORMATTER.parse(text)
