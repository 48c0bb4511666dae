"""What SageMaker's runtime forwards of InvokeEndpoint calls: POST /invocations, and headers of its own."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.support.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

FORWARDED = {
    "Content-Type": "application/json",
    "Accept": "*/*",
    "X-Amzn-SageMaker-Custom-Attributes": "c000b4f9-df62-4c85-a0bf-7c525f9104a4",
    "X-Amzn-SageMaker-Forwarded-Api": "Runtime_InvokeEndpoint",
    "X-Amzn-SageMaker-Inference-Id": "one",
    "User-Agent": "AHC/2.0",
}
LMI = {"inputs": "The capital of France is", "parameters": {"max_new_tokens": 8}}


def invoke(server: Server, body: object, **headers: str) -> httpx.Response:
    """One call of the runtime; the answer's bytes are split anywhere on their way to the caller."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with httpx.Client(timeout=120, trust_env=False) as client:
        return client.post(f"{server.url}/invocations", content=raw, headers={**FORWARDED, **headers})


def test_json_in_json_out(demo_server: Server) -> None:
    answer = invoke(demo_server, LMI)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert "Paris" in answer.json()["generated_text"]


def test_every_line_of_a_stream_stands_alone(demo_server: Server) -> None:
    answer = invoke(demo_server, {**LMI, "stream": True})
    assert answer.headers["Content-Type"] == "application/jsonlines"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(line["token"]["text"] for line in lines) == lines[-1]["generated_text"]


def test_a_chat_needs_no_path_of_its_own(demo_server: Server) -> None:
    question = [{"role": "user", "content": "What is the capital of France?"}]
    answer = invoke(demo_server, {"messages": question, "max_tokens": 16, "temperature": 0})
    assert answer.headers["Content-Type"] == "application/json"
    assert "Paris" in answer.json()["choices"][0]["message"]["content"]
    stream = invoke(demo_server, {"messages": question, "max_tokens": 16, "stream": True})
    assert stream.headers["Content-Type"] == "text/event-stream"
    assert stream.text.endswith("data: [DONE]\n\n")


def test_plain_text_in_plain_text_out(demo_server: Server) -> None:
    plain = {"Content-Type": "text/plain", "Accept": "text/plain"}
    answer = invoke(demo_server, b"The capital of France is", **plain)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "Paris" in answer.text


def test_a_list_is_answered_as_a_list(demo_server: Server) -> None:
    answer = invoke(demo_server, {**LMI, "inputs": [LMI["inputs"], "Once upon a time"]})
    assert "Paris" in answer.json()[0]["generated_text"]
    assert len(answer.json()) == 2


def test_a_mistake_has_its_status_and_says_what_it_is(demo_server: Server) -> None:
    answer = invoke(demo_server, {"inputs": "x", "parameters": {"top_p": 7, "seed": "one"}})
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert "top_p=7" in answer.json()["error"]
    assert "seed" in answer.json()["error"]
