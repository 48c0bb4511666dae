"""Metrics through DJL's real Java engine: scraped while it serves, and taken out of the log as [METRICS] lines."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import promql
from tests.support.http_client import lmi, post, post_all
from tests.support.model_dirs import tiny_model
from tests.support.server import Server, ServerFailed, serve
from tests.telemetry.test_prometheus import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.compile, pytest.mark.usefixtures("tiny_models")]

SHOWN = {"JAVA_TOOL_OPTIONS": "-Dorg.slf4j.simpleLogger.log.model_metric=info"}
"""Has Java log the metrics that it has parsed, which it otherwise keeps for DJL-Serving's own log."""

TOKENS, REQUESTS, SECRET = 12, 20, "canary-7f3a"
TAKEN = re.compile(r"djl: djl_trtllm_(\w+)\.(\w+):([\d.]+)\|#(.*)")


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return answer.read().decode()


def values(text: str) -> dict[str, float]:
    """Each sample by its name, and by the value of a label of its own."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = [
                sample.labels[name]
                for name in ("finished_reason", "code", "result", "le")
                if name in sample.labels
            ]
            found["/".join([sample.name.removeprefix("djl_trtllm_"), *own])] = sample.value
    return found


def scraping(port: int, over: threading.Event) -> Iterator[str]:
    while not over.is_set():
        yield scrape(port)
        time.sleep(0.02)


def taken(server: Server) -> dict[str, list[float]]:
    """What Java has parsed, by name."""
    found: dict[str, list[float]] = {}
    for line in server.log_text().splitlines():
        match = TAKEN.fullmatch(line.strip())
        if match:
            found.setdefault(match[1], []).append(float(match[3]))
    return found


@pytest.mark.parametrize("djl", ["0.34.0", pytest.param("0.25.0", marks=pytest.mark.long)])
@pytest.mark.parametrize("family", ["llama"])
def test_what_is_scraped_is_what_was_sent(family: str, djl: str, tmp_path: Path) -> None:
    port = free_port()
    model = tiny_model(tmp_path / SECRET / "model", family, metrics_port=port, metrics_host="127.0.0.1")
    with serve(model, djl=djl, env=SHOWN) as server:
        before = values(scrape(port))
        assert before["engine_up"] == 1
        assert before["engine_cache_lookups_total/hit"] + before["engine_cache_lookups_total/miss"] == 1
        assert before["compile_seconds"] > 0
        meanwhile: list[dict[str, float]] = []
        over = threading.Event()
        watcher = threading.Thread(target=lambda: meanwhile.extend(map(values, scraping(port, over))))
        watcher.start()
        bodies = [
            lmi(f"{SECRET} number {i}", max_new_tokens=TOKENS, details=True, ignore_eos_token=True)
            for i in range(REQUESTS)
        ]
        replies = post_all(server.url, bodies, 8)
        refused = post(server.url, lmi(SECRET, temperature="hot"))
        over.set()
        watcher.join()
        assert [reply.status for reply in replies] == [200] * REQUESTS
        generated = [reply.lines[-1]["details"]["generated_tokens"] for reply in replies]
        text = scrape(port)
        after = values(text)
        assert after["request_success_total/length"] + after["request_success_total/stop"] == REQUESTS
        assert after["request_errors_total/invalid_request"] == 1
        assert after["generation_tokens_total"] == sum(generated)
        assert after["prompt_tokens_total"] > REQUESTS
        assert after["time_to_first_token_seconds_count"] == REQUESTS
        assert after["inter_token_latency_seconds_count"] == sum(generated) - REQUESTS
        assert after["e2e_request_latency_seconds_count"] == REQUESTS + 1
        assert after["request_queue_time_seconds_count"] == REQUESTS
        assert after["e2e_request_latency_seconds_sum"] > after["time_to_first_token_seconds_sum"] > 0
        assert after["inter_token_latency_seconds_sum"] < after["e2e_request_latency_seconds_sum"]
        assert after["num_requests_running"] == after["num_requests_waiting"] == 0
        assert after["kv_cache_blocks"] > 0
        rising = [one["generation_tokens_total"] for one in meanwhile]
        assert rising == sorted(rising), "a counter never falls"
        assert promql.wrong(promql.exported(text)) == []
        assert refused.status in (200, 400)  # 0.25.0 has no other
        until_taken(server, "generation_tokens", sum(generated))
        until_taken(server, "request_errors", 1)  # may be in the next lines
        found = taken(server)
        assert sum(found["request_success"]) == REQUESTS
        assert found["engine_up"] == [1]
        log = server.log_text()
    assert "[METRICS]" not in log, "Java takes them; none is shown as a line of the worker"
    assert SECRET not in text
    assert SECRET not in "".join(line for line in log.splitlines() if TAKEN.search(line))


def until_taken(server: Server, name: str, wanted: float) -> None:
    """Wait until Java has parsed so much of a counter: lines come every ten seconds."""
    deadline = time.monotonic() + 120
    while sum(taken(server).get(name, [])) < wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert sum(taken(server).get(name, [])) == wanted


@pytest.mark.parametrize("family", ["llama"])
def test_a_taken_port_fails_the_load_with_the_reason(family: str, tmp_path: Path) -> None:
    port = free_port()
    model = tiny_model(tmp_path, family, metrics_port=port, metrics_host="127.0.0.1")
    with serve(model) as server:
        taken = rf"Metrics cannot be served on 127.0.0.1 port {port} \(.*in use"
        with pytest.raises(ServerFailed, match=taken), serve(model):
            pass
        assert "djl_trtllm_engine_up" in scrape(port)
        assert server.ping()
