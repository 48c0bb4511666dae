"""The metrics of one service: told in lines at their pace, and once more at the end."""

import logging
import time

import pytest

from djl_trtllm.options import sources as options
from djl_trtllm.telemetry import metric_lines
from djl_trtllm.telemetry.metrics import Metrics
from tests.telemetry.test_prometheus import HOST, free_port, scraped


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    batches: list[list[str]] = []
    monkeypatch.setattr(metric_lines, "write", batches.append)
    return batches


def test_lines_come_as_numbers_change_and_at_the_end(written) -> None:
    metrics = Metrics("m", seconds=0.01)
    metrics.begin()
    meter = metrics.sources.meter
    meter.generated += 1
    deadline = time.monotonic() + 60
    while not written and time.monotonic() < deadline:
        time.sleep(0.01)
    assert written
    meter.generated += 2
    metrics.close()
    metrics.close()
    said = [line for batch in written for line in batch]
    added = [int(line.partition(":")[2].partition("|")[0]) for line in said if "generation_tokens" in line]
    assert sum(added) == 3
    assert all(written), "no batch without a line"


def test_few_batches_of_few_lines(written) -> None:
    metrics = Metrics("m")
    metrics.begin()
    for _ in range(1000):
        metrics.sources.meter.generated += 1
    metrics.close()
    assert len(written) == 1


def test_prometheus_is_answered_where_the_options_say_so() -> None:
    port = free_port()
    metrics = Metrics("m")
    metrics.listen(options.read({}, {}))
    assert metrics.port is None
    metrics.listen(options.read({"metrics_port": str(port), "metrics_host": HOST}, {}))
    try:
        assert metrics.port == port
        assert scraped(metrics._endpoint)
    finally:
        metrics.close()


def test_a_name_ends_where_a_signature_begins(written) -> None:
    metrics = Metrics("llama?X-Amz-Signature=canary")
    metrics.sources.meter.generated += 1
    metrics.begin()
    metrics.close()
    assert written == [["[METRICS]djl_trtllm_generation_tokens.Count:1|#model_name:llama"]]


def test_a_model_that_is_not_served_has_no_thread(caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        Metrics("m").close()
    assert caplog.messages == []
