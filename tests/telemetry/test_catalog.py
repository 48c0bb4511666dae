"""Every metric has one row, and is read."""

import re
from pathlib import Path

from djl_trtllm.core import EngineStats
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.telemetry.catalog import CATALOG, Kind
from djl_trtllm.telemetry.readings import Sources, Start, read

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
VLLM = """
    time_to_first_token_seconds inter_token_latency_seconds e2e_request_latency_seconds request_queue_time_seconds
    num_requests_running num_requests_waiting kv_cache_usage_perc prefix_cache_queries prefix_cache_hits
    prompt_tokens generation_tokens request_success
""".split()  # noqa: SIM905 - reads better than quotes


class Engine:
    def stats(self) -> EngineStats:
        return EngineStats(3, 2, 40.0, 100, 50, 20, True, 4, 5)


def test_names_are_those_of_prometheus_and_vllm() -> None:
    names = [metric.name for metric in CATALOG]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) and not name.endswith("_total") for name in names)
    assert set(VLLM) <= set(names)


def test_buckets_rise() -> None:
    for metric in CATALOG:
        assert (metric.kind is Kind.HISTOGRAM) == bool(metric.buckets)
        assert list(metric.buckets) == sorted(set(metric.buckets))


def test_every_metric_is_read() -> None:
    sources = Sources(start=Start("hit", 12.0, 3.0), engine=Engine(), preparing=lambda: 1)
    sources.meter.codes["busy"] += 2
    sources.meter.reasons.update({"eos_token": 1, "stop_sequence": 2, "length": 4})
    values = {reading.metric.name: reading.values for reading in read(sources)}
    assert list(values) == [metric.name for metric in CATALOG]
    assert all(values.values())
    assert values["num_requests_running"] == {(): 3}
    assert values["num_requests_waiting"] == {(): 3}, "also those that are not in the engine yet"
    assert values["kv_cache_usage_perc"] == {(): 0.4}
    assert values["request_success"] == {("stop",): 3, ("length",): 4}
    errors = values["request_errors"]
    assert {code: n for code, n in errors.items() if n} == {("busy",): 2}
    assert errors["internal_error",] == 0, "what is not there before it is 1 has never risen"
    assert values["engine_cache_lookups"] == {("hit",): 1, ("miss",): 0}
    assert (values["engine_reopenings"], values["engine_stalls"]) == ({(): 4}, {(): 5})


def test_what_is_not_known_is_not_told() -> None:
    values = {reading.metric.name: reading.values for reading in read(Sources())}
    for unknown in ("kv_cache_usage_perc", "kv_cache_blocks", "prefix_cache_hits", "compile_seconds"):
        assert values[unknown] == {}
    assert values["engine_up"] == {(): 0}
    assert values["request_success"] == {("stop",): 0, ("length",): 0}


def test_an_engine_that_is_closed_is_down() -> None:
    class Closed:
        def stats(self) -> EngineStats:
            raise EngineClosedError("The engine is not open.")

    values = {reading.metric.name: reading.values for reading in read(Sources(engine=Closed()))}
    assert values["engine_up"] == values["num_requests_running"] == {(): 0}


def test_the_page_has_every_metric() -> None:
    rows = re.findall(r"^\| `(djl_trtllm_\w+)` \| (\w+) \|", OPERATIONS.read_text(), re.MULTILINE)
    assert rows == [(metric.exported, metric.kind.value) for metric in CATALOG]
