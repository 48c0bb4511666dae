from __future__ import annotations

import pytest

from djl_trtllm.schemas import answers
from djl_trtllm.schemas.defaults import Defaults

PLAIN = Defaults()


def lmi(asked: str | None = None, stream: bool = False, accept: str = "", defaults: Defaults = PLAIN) -> str:
    problems: list[str] = []
    chosen = answers.lmi(asked, stream, accept, defaults, problems)
    assert problems == []
    return chosen


def test_defaults() -> None:
    assert (lmi(), lmi(stream=True)) == ("json", "jsonlines")


@pytest.mark.parametrize(
    ("accept", "whole", "streamed"),
    [
        ("text/plain", "text", "text"),
        ("Text/Plain; charset=utf-8", "text", "text"),
        ("text/event-stream", "json", "sse"),
        ("application/jsonlines", "jsonlines", "jsonlines"),
        ("application/json, text/plain, */*", "json", "jsonlines"),
        ("*/*", "json", "jsonlines"),
        ("application/json", "json", "jsonlines"),
        ("image/png", "json", "jsonlines"),
    ],
)
def test_what_clients_accept(accept: str, whole: str, streamed: str) -> None:
    assert lmi(accept=accept) == whole
    assert lmi(accept=accept, stream=True) == streamed
    assert lmi("sse", accept=accept) == "sse"


def test_what_the_operator_has_set() -> None:
    assert lmi(defaults=Defaults(output_formatter="sse")) == "sse"
    assert lmi(defaults=Defaults(output_formatter="model:write")) == "model:write"
    assert lmi(defaults=Defaults(output_formatter="json_chat"), stream=True) == "jsonlines"
    assert lmi(defaults=Defaults(output_formatter="json", tgi_compat=True)) == "tgi"
    assert lmi(accept="text/plain", defaults=Defaults(output_formatter="json")) == "text"
    assert answers.chat(None, True, "", Defaults(output_formatter="json"), []) == "sse_chat"
    assert answers.chat(None, True, "", Defaults(output_formatter="model:write"), []) == "sse_chat"


@pytest.mark.parametrize("name", ["json_chat", "completions", "", "secret", "model:write"])
def test_a_request_names_a_format_of_its_schema(name: str) -> None:
    problems: list[str] = []
    assert answers.lmi(name, False, "", PLAIN, problems) == "json"
    assert problems == [
        "output_formatter must be one of json, jsonlines, sse, tgi, text for a body with inputs."
    ]


@pytest.mark.parametrize(
    ("output_format", "stream", "streams"),
    [
        ("json", True, False),
        ("jsonlines", False, True),
        ("sse", False, True),
        ("tgi", True, True),
        ("tgi", False, False),
        ("completions", True, True),
        ("text", False, False),
        ("json_chat", True, False),
        ("model:write", True, True),
    ],
)
def test_what_streams(output_format: str, stream: bool, streams: bool) -> None:
    assert answers.streams(output_format, stream) is streams
