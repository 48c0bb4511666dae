from __future__ import annotations

import pytest

from djl_trtllm.core import Request, SamplingParams
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.json_format import JsonWriter
from djl_trtllm.formats.jsonlines_format import JsonLinesWriter
from djl_trtllm.formats.registry import NAMES, writer


def request(name: str) -> Request:
    return Request(prompt="x", sampling=SamplingParams(1), output_format=name)


def test_formats_by_name() -> None:
    assert NAMES == ("json", "jsonlines")
    assert isinstance(writer(request("json"), frozenset()), JsonWriter)
    assert isinstance(writer(request("jsonlines"), frozenset()), JsonLinesWriter)


def test_an_unknown_format_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidRequest, match=r"'xml' is not known; it is one of json, jsonlines\."):
        writer(request("xml"), frozenset())
