"""Prometheus is answered, by a server that can be closed, or the load says why not."""

import socket
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from djl_trtllm.errors import LoadError
from djl_trtllm.telemetry.catalog import CATALOG, PREFIX, Kind
from djl_trtllm.telemetry.prometheus import Endpoint
from djl_trtllm.telemetry.readings import Sources

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def text(endpoint: Endpoint) -> str:
    with urllib.request.urlopen(f"http://{HOST}:{endpoint.port}/metrics", timeout=30) as answer:
        return answer.read().decode()


def scraped(endpoint: Endpoint):
    return {family.name: family for family in text_string_to_metric_families(text(endpoint))}


@pytest.fixture
def endpoint():
    made = Endpoint(Sources(), "a model", HOST, free_port(), "serving.properties")
    yield made
    made.close()


def test_every_metric_is_exposed_with_its_kind_and_help(endpoint: Endpoint) -> None:
    found = scraped(endpoint)
    for metric in CATALOG:
        family = found[PREFIX + metric.name]
        assert (family.type, family.documentation) == (metric.kind.value, metric.help)
        for sample in family.samples:
            assert sample.labels["model_name"] == "a model"
            assert set(sample.labels) - {"le"} == {"model_name", *metric.labels}
    assert found["process_resident_memory_bytes"].samples[0].value > 0


def test_a_histogram_is_cumulative() -> None:
    sources = Sources()
    sources.meter.total.observe([0.1, 0.3, 100, 1e9])
    endpoint = Endpoint(sources, "m", HOST, free_port(), "default")
    try:
        samples = scraped(endpoint)[f"{PREFIX}e2e_request_latency_seconds"].samples
    finally:
        endpoint.close()
    buckets = {s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket")}
    assert (buckets["0.3"], buckets["60.0"], buckets["120.0"], buckets["+Inf"]) == (2, 2, 3, 4)
    assert [s.value for s in samples if s.name.endswith("_count")] == [4]
    assert list(buckets.values()) == sorted(buckets.values())


def test_closed_it_listens_no_more_and_its_port_is_free(endpoint: Endpoint) -> None:
    port = endpoint.port
    endpoint.close()
    endpoint.close()
    Endpoint(Sources(), "m", HOST, port, "default").close()


def test_a_taken_port_is_an_error_that_names_it_and_its_source(endpoint: Endpoint) -> None:
    with pytest.raises(
        LoadError, match=rf"port {endpoint.port} \(.*in use\).*OPTION_METRICS_PORT.*maxWorkers=1"
    ):
        Endpoint(Sources(), "m", HOST, endpoint.port, "OPTION_METRICS_PORT")


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_an_error(host: str) -> None:
    with pytest.raises(LoadError, match=f"Metrics cannot be served on {host} port"):
        Endpoint(Sources(), "m", host, free_port(), "default")


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(
        LoadError, match=r"metrics_port=9400 \(default\).*pip install 'djl-trtllm\[metrics\]'"
    ):
        Endpoint(Sources(), "m", HOST, 9400, "default")


def test_the_library_is_imported_only_where_it_is_asked_for() -> None:
    code = "import sys, djl_trtllm.service; print('prometheus_client' in sys.modules, 'http.server' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "False"]


def test_counters_have_the_ending_of_counters() -> None:
    assert {m.exported.endswith("_total") for m in CATALOG if m.kind is Kind.COUNTER} == {True}
    assert not any(m.exported.endswith("_total") for m in CATALOG if m.kind is not Kind.COUNTER)
