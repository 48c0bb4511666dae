"""Many streams at once through DJL's real Java engine: each is whole, and equal to its one-shot decode."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from djl_trtllm.text.tokenizer import Tokenizer
from tests.support import tiny
from tests.support.http_client import Reply, lmi, post, post_all
from tests.support.model_dirs import tiny_model
from tests.support.server import serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

FAMILIES = ("llama", "qwen2", "gpt2", "falcon")
IN_FLIGHT = 32


def bodies(tokenizer: Tokenizer, family: str, count: int) -> list[dict[str, object]]:
    """Requests of mixed lengths and parameters, the same at every call; all of them streams with ids."""
    dice = random.Random(family)
    made = []
    for ids in tiny.prompts(family, count, longest=200):
        parameters: dict[str, object] = {"max_new_tokens": dice.randint(1, 60), "details": True}
        if dice.random() < 0.5:
            parameters |= {"do_sample": True, "temperature": dice.uniform(0.5, 1.5), "seed": dice.randint(0, 9999)}
            parameters |= dice.choice([{}, {"top_k": 20}, {"top_p": 0.9}, {"repetition_penalty": 1.1}])
        made.append(lmi(tokenizer.decode(ids), **parameters))
    return made


def check(tokenizer: Tokenizer, reply: Reply) -> None:
    assert reply.status == 200
    lines = reply.lines
    ids = [line["token"]["id"] for line in lines]
    text = "".join(line["token"]["text"] for line in lines)
    last = lines[-1]
    assert last["generated_text"] == text
    assert last["details"]["generated_tokens"] == len(ids)
    prompt = tokenizer.encode(last["details"]["inputs"])
    assert tokenizer.decode(prompt + ids) == tokenizer.decode(prompt) + text


@pytest.mark.parametrize("family", FAMILIES)
def test_sixty_mixed_requests(family: str, tmp_path: Path) -> None:
    run(family, tmp_path, "0.34.0", 15)


@pytest.mark.long
@pytest.mark.parametrize("djl", ["0.34.0", "0.25.0"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_two_hundred_mixed_requests(family: str, djl: str, tmp_path: Path) -> None:
    run(family, tmp_path, djl, 200)


def run(family: str, directory: Path, djl: str, count: int) -> None:
    tokenizer = Tokenizer.load(tiny.checkpoint(family))
    with serve(tiny_model(directory / "model", family), djl=djl) as server:
        wanted = bodies(tokenizer, family, count)
        replies = post_all(server.url, wanted, IN_FLIGHT)
        for reply in replies:
            check(tokenizer, reply)
        again = post(server.url, wanted[0])
        assert again.text == replies[0].text, "the same request gives the same bytes, alone or in a batch"
