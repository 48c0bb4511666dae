"""Greedy output through the whole service equals transformers' own `generate`, token for token.

In exact mode, alone and twenty at once: a batch must not change anybody's bytes. The service runs in this process,
its engine in its child, its build in a child too; steps come from a stand-in for DJL's Java side.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm import service
from djl_trtllm.rolling_batch.wire import Wire
from tests.support import tiny
from tests.support.http_client import lmi
from tests.support.java_side import Client, JavaSide

EVERY_RUN = ("llama", "mistral", "mixtral", "qwen2", "gpt2", "gptj", "falcon", "phi3")
NEW_TOKENS = 16
PROMPTS = 20


@pytest.mark.compile
@pytest.mark.parametrize(
    "family",
    [pytest.param(family, marks=() if family in EVERY_RUN else pytest.mark.long) for family in tiny.FAMILIES],
)
def test_greedy_equals_transformers(family: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    options = {
        "model_id": str(tiny.checkpoint(family)),
        "rolling_batch": "auto",
        "dtype": "fp32",
        "openvino_precision": "exact",
        "openvino_kv_cache": "128MiB",
        "cache_dir": str(Path(tiny.ROOT) / "build" / "test-cache"),
    }
    wire = Wire()
    served = service.load(options, {}, wire.item_chars)
    try:
        java = JavaSide(lambda inputs: wire.write(served.step(wire.read(inputs, served.active))))
        texts = [served.tokenizer.decode(ids) for ids in tiny.prompts(family, PROMPTS)]
        expected = tiny.reference(family, [served.tokenizer.encode(text) for text in texts], NEW_TOKENS)
        alone = []
        for text in texts:
            client = java.send(lmi(text, max_new_tokens=NEW_TOKENS))
            java.run()
            alone.append(client)
        together = [java.send(lmi(text, max_new_tokens=NEW_TOKENS)) for text in texts]
        java.run()
    finally:
        served.close()
    assert [ids(client) for client in alone] == expected
    assert [ids(client) for client in together] == expected
    assert len({tuple(tokens) for tokens in expected}) > PROMPTS // 2, (
        "the reference must not be one constant answer"
    )


def ids(client: Client) -> list[int]:
    return [line["token"]["id"] for line in client.lines]
