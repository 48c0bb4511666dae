"""What the docs show of requests and responses works as it stands there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from djl_trtllm.core import Features, GuideKind
from tests.support.http_client import post
from tests.support.loop import rig, tokenizer
from tests.support.server import Server
from tests.support.snippets import Snippet, snippets
from tests.support.toy_engine import ToyEngine, toy_limits

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

DOCS = snippets("docs/requests.md")
ALL = [*DOCS, *(snippet for snippet in snippets("README.md") if snippet.kind == "python")]
ADDRESS = "http://127.0.0.1:8080"
EVERYTHING = Features(
    bad_words=True, logit_bias=True, top_logprobs=20, prompt_logprobs=True, guides=frozenset(GuideKind)
)


def of(*kinds: str) -> list[Snippet]:
    return [snippet for snippet in ALL if snippet.kind in kinds and not snippet.needs]


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert len(DOCS) >= 10
    assert len(ALL) > len(DOCS)
    assert {snippet.kind for snippet in ALL} <= {"json", "sh", "python"}
    assert all(snippet.kind == "json" for snippet in ALL if snippet.needs)


@pytest.mark.parametrize("snippet", of("json"), ids=str)
def test_bodies(snippet: Snippet, demo_server: Server) -> None:
    reply = post(demo_server.url, json.loads(snippet.text))
    assert reply.status == 200, reply.text


@pytest.mark.parametrize("snippet", of("sh"), ids=str)
def test_commands(snippet: Snippet, demo_server: Server) -> None:
    script = snippet.text.replace(ADDRESS, demo_server.url)
    ran = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()
    assert '"error"' not in ran.stdout, ran.stdout


@pytest.mark.parametrize("snippet", of("python"), ids=str)
def test_programs(snippet: Snippet, demo_server: Server) -> None:
    program = snippet.text.replace(ADDRESS, demo_server.url)
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


@pytest.mark.parametrize("snippet", [snippet for snippet in ALL if snippet.needs], ids=str)
def test_bodies_that_other_engines_take(snippet: Snippet) -> None:
    limits = toy_limits(vocab_size=tokenizer().vocab_size)
    with rig(ToyEngine(limits=limits, features=EVERYTHING)) as r:
        client = r.java.send(json.loads(snippet.text))
        r.java.run()
    assert client.code is None, client.error
