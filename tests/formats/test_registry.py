from __future__ import annotations

import pytest

from djl_trtllm.core import OpenAI
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.chosen import Chosen
from djl_trtllm.formats.registry import NAMES
from tests.formats.helpers import ending, response, whole

OPENAI = OpenAI("id-1", 1700000000, "m")


@pytest.mark.parametrize(
    ("name", "whole_type", "stream_type"),
    [
        ("json", "application/json", "application/json"),
        ("jsonlines", "application/jsonlines", "application/jsonlines"),
        ("sse", "text/event-stream", "text/event-stream"),
        ("json_chat", "application/json", "application/json"),
        ("jsonlines_chat", "application/jsonlines", "application/jsonlines"),
        ("sse_chat", "text/event-stream", "text/event-stream"),
        ("completions", "application/json", "text/event-stream"),
        ("tgi", "application/json", "text/event-stream"),
        ("text", "text/plain; charset=utf-8", "text/plain; charset=utf-8"),
    ],
)
def test_content_types(name: str, whole_type: str, stream_type: str) -> None:
    assert response(name, openai=OPENAI).content_type == whole_type
    assert response(name, openai=OPENAI, stream=True).content_type == stream_type
    chosen = response(name, openai=OPENAI, n=1, sequences=2)
    assert isinstance(chosen, Chosen)
    assert chosen.content_type == whole_type


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_last_data_is_never_empty(name: str, stream: bool) -> None:
    nothing = ending("", tokens=(), texts=())
    assert whole(response(name, stream=stream), nothing)
    last = ending("", tokens=(2,), texts=("",))
    assert whole(response(name, stream=stream), last)


def test_an_unknown_format_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidRequest, match=r"'xml' is not known; it is one of json, jsonlines, sse,"):
        response("xml")
    with pytest.raises(InvalidRequest, match="is not known"):
        response("model.py:write")
