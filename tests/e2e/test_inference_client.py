"""Hugging Face's own client against the served demo model, as a TGI server's client would be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from huggingface_hub import InferenceClient

from tests.support.model_dirs import tiny_model
from tests.support.server import Server, serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

PROMPT = "Once upon a time"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def tgi_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A tiny model under tgi_compat."""
    with serve(tiny_model(tmp_path_factory.mktemp("tgi") / "model", "gpt2", tgi_compat="true")) as server:
        yield server


@pytest.fixture
def client(demo_server: Server) -> InferenceClient:
    return InferenceClient(f"{demo_server.url}/invocations", timeout=120)


@pytest.fixture
def chat_client(demo_server: Server) -> InferenceClient:
    return InferenceClient(base_url=f"{demo_server.url}/v1", timeout=120)


def test_text_generation(client: InferenceClient) -> None:
    text = client.text_generation(PROMPT, max_new_tokens=8)
    assert isinstance(text, str)
    assert text
    full = client.text_generation(PROMPT, max_new_tokens=8, return_full_text=True)
    assert full == PROMPT + text


def test_a_chat(chat_client: InferenceClient) -> None:
    answer = chat_client.chat_completion(QUESTION, max_tokens=16, temperature=0.0)
    assert "Paris" in answer.choices[0].message.content
    chunks = list(chat_client.chat_completion(QUESTION, max_tokens=16, temperature=0.0, stream=True))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == answer.choices[0].message.content


def test_details_and_streams_of_tgi(tgi_server: Server) -> None:
    client = InferenceClient(f"{tgi_server.url}/invocations", timeout=120)
    asked = {"max_new_tokens": 8, "details": True}
    whole = client.text_generation(PROMPT, **asked)
    assert whole.details.finish_reason == "length"
    assert whole.details.generated_tokens == len(whole.details.tokens) == 8
    assert "".join(token.text for token in whole.details.tokens) == whole.generated_text
    assert all(token.logprob <= 0 and not token.special for token in whole.details.tokens)
    steps = list(client.text_generation(PROMPT, stream=True, **asked))
    assert [step.token.id for step in steps] == [token.id for token in whole.details.tokens]
    assert steps[-1].generated_text == whole.generated_text
    assert steps[-1].details.finish_reason == "length"
    pieces = list(client.text_generation(PROMPT, stream=True, max_new_tokens=8))
    assert "".join(pieces) == whole.generated_text
    sampled = client.text_generation(PROMPT, do_sample=True, best_of=3, seed=1, **asked)
    assert len(sampled.details.best_of_sequences) == 2
    stopped = client.text_generation(PROMPT, stop=[whole.generated_text[3:5]], **asked)
    assert stopped.details.finish_reason == "stop_sequence"
