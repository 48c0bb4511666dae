"""Greedy output through the whole service equals transformers' own `generate`, token for token.

In exact mode, alone and twenty at once: a batch must not change anybody's bytes. The service runs in this process,
its engine in its child, its build in a child too; steps come from a stand-in for DJL's Java side.
"""

from __future__ import annotations

import pytest

from djl_trtllm import service
from djl_trtllm.rolling_batch.wire import Wire
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support import tiny
from tests.support.http_client import lmi
from tests.support.java_side import Client, JavaSide
from tests.support.model_dirs import EVERY_RUN, tiny_options

NEW_TOKENS = 16
PROMPTS = 20


@pytest.fixture(scope="module")
def expected(request: pytest.FixtureRequest) -> dict[str, tuple[list[str], list[list[int]]]]:
    """Per selected family: prompts as text, and what transformers continues their tokens with."""
    families = [
        item.callspec.params["family"] for item in request.session.items if item.fspath == request.fspath
    ]
    tokenizers = {family: Tokenizer.load(tiny.checkpoint(family)) for family in families}
    texts = {f: [t.decode(ids) for ids in tiny.prompts(f, PROMPTS)] for f, t in tokenizers.items()}
    prompts = {f: [t.encode(text) for text in texts[f]] for f, t in tokenizers.items()}
    answers = tiny.references(prompts, NEW_TOKENS)
    return {family: (texts[family], answers[family]) for family in families}


@pytest.mark.compile
@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize(
    "family",
    [pytest.param(family, marks=() if family in EVERY_RUN else pytest.mark.long) for family in tiny.FAMILIES],
)
def test_greedy_equals_transformers(
    family: str, expected: dict[str, tuple[list[str], list[list[int]]]]
) -> None:
    texts, answers = expected[family]
    options = {name: str(value) for name, value in tiny_options(family).items()}
    wire = Wire()
    served = service.load(options, {}, wire.item_chars)
    try:
        java = JavaSide(lambda inputs: wire.write(served.step(wire.read(inputs, served.active))))
        alone = []
        for text in texts:
            client = java.send(lmi(text, max_new_tokens=NEW_TOKENS))
            java.run()
            alone.append(client)
        together = [java.send(lmi(text, max_new_tokens=NEW_TOKENS)) for text in texts]
        java.run()
    finally:
        served.close()
    assert [ids(client) for client in alone] == answers
    assert [ids(client) for client in together] == answers
    assert len({tuple(tokens) for tokens in answers}) > PROMPTS // 2, (
        "the reference must not be one constant answer"
    )


def ids(client: Client) -> list[int]:
    return [line["token"]["id"] for line in client.lines]
