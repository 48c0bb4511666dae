"""Many streams at once through DJL's real Java engine: each is whole, and equal to its one-shot decode."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend

from tests.support import tiny
from tests.support.http_client import Reply, lmi, post, post_all, without_log_probs
from tests.support.model_dirs import tiny_model
from tests.support.server import serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile, pytest.mark.usefixtures("tiny_models")]

BYTE = re.compile(r"<0x[0-9A-F]{2}>")
FAMILIES = ("llama", "gpt2")
IN_FLIGHT = 32


def bodies(backend: Backend, family: str, count: int) -> list[dict[str, object]]:
    """Requests of mixed lengths and parameters, the same at every call; all of them streams with ids."""
    dice = random.Random(family)
    made = []
    for ids in tiny.prompts(family, count, longest=200):
        parameters: dict[str, object] = {"max_new_tokens": dice.randint(1, 60), "details": True}
        if dice.random() < 0.5:
            parameters |= {
                "do_sample": True,
                "temperature": dice.uniform(0.5, 1.5),
                "seed": dice.randint(0, 9999),
            }
            parameters |= dice.choice([{}, {"top_k": 20}, {"top_p": 0.9}, {"repetition_penalty": 1.1}])
        made.append(lmi(backend.decode(ids), **parameters))
    return made


def one_shot(backend: Backend, prompt: list[int], ids: list[int]) -> str:
    """Decode a finished reply at once.

    With byte fallback, tokenizers rewrites a whole run of bytes for one bad byte, which no stream can know when it
    sends the first: there the reply is the tokens' bytes decoded as UTF-8 with replacement.
    """
    if backend.token_to_id("<0x0A>") is None:
        return backend.decode(prompt + ids).removeprefix(backend.decode(prompt))
    special = {token for token, added in backend.get_added_tokens_decoder().items() if added.special}
    spelled = [backend.id_to_token(token) for token in ids if token not in special]
    raw = b"".join(
        bytes([int(piece[3:5], 16)]) if BYTE.fullmatch(piece) else piece.replace("\u2581", " ").encode()
        for piece in spelled
    )
    return raw.decode("utf-8", "replace")


def check(backend: Backend, reply: Reply) -> None:
    assert reply.status == 200
    lines = reply.lines
    ids = [line["token"]["id"] for line in lines]
    text = "".join(line["token"]["text"] for line in lines)
    last = lines[-1]
    assert last["generated_text"] == text
    assert last["details"]["generated_tokens"] == len(ids)
    prompt = backend.encode(last["details"]["inputs"]).ids
    assert one_shot(backend, prompt, ids) == text


@pytest.mark.parametrize("family", FAMILIES)
def test_sixty_mixed_requests(family: str, tmp_path: Path) -> None:
    run(family, tmp_path, "0.34.0", 60)


@pytest.mark.long
@pytest.mark.parametrize("djl", ["0.34.0", "0.25.0"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_two_hundred_mixed_requests(family: str, djl: str, tmp_path: Path) -> None:
    run(family, tmp_path, djl, 200)


def run(family: str, directory: Path, djl: str, count: int) -> None:
    backend = Backend.from_file(str(tiny.checkpoint(family) / "tokenizer.json"))
    with serve(tiny_model(directory / "model", family), djl=djl) as server:
        wanted = bodies(backend, family, count)
        replies = post_all(server.url, wanted, IN_FLIGHT)
        for reply in replies:
            check(backend, reply)
        again = post(server.url, wanted[0])
        assert without_log_probs(again.text) == without_log_probs(replies[0].text), (
            "the same request gives the same bytes, alone or in a batch"
        )
