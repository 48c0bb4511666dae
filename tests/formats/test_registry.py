from __future__ import annotations

import pytest

from djl_trtllm.core import Request, SamplingParams
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.json_format import JsonWriter
from djl_trtllm.formats.jsonlines_format import JsonLinesWriter
from djl_trtllm.formats.registry import NAMES, Writers


def request(name: str) -> Request:
    return Request(prompt="x", sampling=SamplingParams(1), output_format=name)


def test_formats_by_name() -> None:
    assert NAMES == ("json", "jsonlines")
    assert isinstance(Writers(frozenset()).make(request("json")), JsonWriter)
    assert isinstance(Writers(frozenset()).make(request("jsonlines")), JsonLinesWriter)


def test_an_unknown_format_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidRequest, match=r"'xml' is not known; it is one of json, jsonlines\."):
        Writers(frozenset()).make(request("xml"))
