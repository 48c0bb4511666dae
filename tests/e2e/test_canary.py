"""Canaries through DJL's real Java engine: nothing of them in a log of any process, a metric, a span or a file."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import canaries
from tests.support.collector import eventually
from tests.support.http_client import Reply, post
from tests.support.model_dirs import CACHE, tiny_model
from tests.support.otlp_receiver import Receiver, receiver
from tests.support.ports import free_port
from tests.support.server import Server, serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

HEADERS = {name: value for name, value in canaries.HEADERS.items() if name != "requestId"}
SENT = {**canaries.GOOD, **canaries.GUIDED, **canaries.BAD}


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canary")


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(place: Path, collector: Receiver, metrics_port: int) -> Iterator[Server]:
    model = tiny_model(
        place / "model",
        "llama",
        max_input_len=512,
        log_format="json",
        tracing="otlp",
        metrics_port=metrics_port,
        metrics_host="127.0.0.1",
        retry_threshold=10,
    )
    scratch = place / "tmp"
    scratch.mkdir()
    environment = {
        **canaries.SECRETS,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "PYTHONFAULTHANDLER": "1",
        "TMPDIR": str(scratch),
    }
    with serve(model, env=environment) as running:
        yield running


@pytest.fixture(scope="module")
def replies(server: Server) -> dict[str, Reply]:
    with ThreadPoolExecutor(16) as pool:
        sent = {name: pool.submit(post, server.url, body, **HEADERS) for name, body in SENT.items()}
        return {name: reply.result() for name, reply in sent.items()}


def test_every_request_is_a_record_with_djls_id(server: Server, replies: dict[str, Reply]) -> None:
    eventually(lambda: len(requests(server)) >= len(SENT), "the records")
    found = requests(server)
    assert len({one["request_id"] for one in found}) == len(found)
    assert {one["trace_id"] for one in found} == {"a" * 32}
    assert {one["status"] for one in found} >= {200, 400}


def test_no_log_holds_a_canary_or_an_answer(server: Server, replies: dict[str, Reply]) -> None:
    assert canaries.found(server.log_text()) == []
    texts = [
        json.loads(replies["lmi"].text)["generated_text"],
        json.loads(replies["chat"].text)["choices"][0]["message"]["content"],
    ]
    for text in texts:
        assert len(text) > 20, "a greedy answer, so always the same one"
        assert text[:12] not in server.log_text()


def test_metrics_and_spans(
    server: Server, metrics_port: int, collector: Receiver, replies: dict[str, Reply]
) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=60) as page:
        text = page.read().decode()
    assert "prompt_tokens" in text
    assert canaries.found(text) == []
    eventually(lambda: len(collector.named("text_completion")) >= len(canaries.GOOD) - 4, "the spans")
    assert {span.trace for span in collector.named("text_completion")} == {"a" * 32}
    assert collector.named("load llama")
    assert canaries.found(b"\n".join(collector.raw)) == []


def test_a_crash_of_the_worker_leaves_stacks_and_no_words(
    server: Server, place: Path, collector: Receiver, replies: dict[str, Reply]
) -> None:
    began = time.time()
    (worker,) = server.worker_pids()
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(post, server.url, canaries.lmi(max_new_tokens=500), timeout=3, **HEADERS)
        time.sleep(0.2)
        os.kill(worker, signal.SIGABRT)
        eventually(lambda: "Fatal Python error: Aborted" in server.log_text(), "the stacks")
        cut.exception()
    assert canaries.found(server.log_text()) == []
    assert canaries.in_files(place / "tmp", place / "model") == []
    written = [file for file in CACHE.rglob("*") if file.is_file() and file.stat().st_mtime > began - 60]
    assert not [file for file in written if canaries.MARK.encode() in file.read_bytes()]


def requests(server: Server) -> list[dict[str, object]]:
    """The fields of the records of requests that ended."""
    records = [json.loads(line) for line in server.log_text().splitlines() if line.startswith('{"time"')]
    return [one["fields"] for one in records if one["message"] == "request ended"]
