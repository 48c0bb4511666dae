from __future__ import annotations

import pytest

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.chosen import Chosen
from djl_trtllm.formats.json_format import JsonResponse
from djl_trtllm.formats.jsonlines_format import JsonLinesResponse
from djl_trtllm.formats.registry import NAMES
from tests.formats.helpers import response


def test_formats_by_name() -> None:
    assert NAMES == ("json", "jsonlines", "sse")
    assert isinstance(response("json"), JsonResponse)
    assert isinstance(response("jsonlines"), JsonLinesResponse)
    assert isinstance(response("json", n=1, sequences=2), Chosen)


def test_an_unknown_format_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidRequest, match=r"'xml' is not known; it is one of json, jsonlines, sse\."):
        response("xml")
