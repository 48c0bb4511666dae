"""`[METRICS]` lines: what has changed, in the form that Java's parser takes."""

import io
import logging
import re

import pytest

from djl_trtllm.core import EngineStats
from djl_trtllm.telemetry import metric_lines
from djl_trtllm.telemetry.metric_lines import MetricLines, write
from djl_trtllm.telemetry.readings import Sources, Start, read

JAVA = re.compile(r"\[METRICS\]\s*([\w\s]+)\.([\w\s]+):([0-9\-,.e]+)(?:\|#([^|]*))?(?:\|(\d+))?")
"""`ai.djl.metric.Metric.PATTERN` of 0.25.0, which takes a whole line or nothing."""

UNITS = {"Count", "None", "Percent", "Milliseconds"}


class Engine:
    told = EngineStats()

    def stats(self) -> EngineStats:
        return self.told


@pytest.fixture
def sources() -> Sources:
    return Sources(start=Start("miss", 61.5, 63.0), engine=Engine())


def test_every_line_is_one_for_java(sources: Sources) -> None:
    sources.engine.told = EngineStats(1, 2, 12.5, 64, 10, 5, True, 1, 1)
    sources.meter.codes["engine_restarting"] += 1
    sources.meter.reasons["length"] += 3
    sources.meter.prompted = 10**12
    sources.meter.total.observe([1e-9, 0.5, 7000])
    lines = MetricLines("Smol LM:2,135M|x").changed(read(sources))
    found = [JAVA.fullmatch(line) for line in lines]
    assert all(found), lines
    assert {match[2] for match in found} <= UNITS
    assert all(match[4].endswith("model_name:Smol_LM_2_135M_x") for match in found)
    assert "[METRICS]djl_trtllm_kv_cache_usage_perc.Percent:12.5|#model_name:Smol_LM_2_135M_x" in lines
    assert "[METRICS]djl_trtllm_compile.Milliseconds:61500|#model_name:Smol_LM_2_135M_x" in lines
    assert any("request_errors.Count:1|#code:engine_restarting,model_name:" in line for line in lines)
    assert any("prompt_tokens.Count:1000000000000|" in line for line in lines)


def test_only_what_changed_is_written_and_counters_as_what_was_added(sources: Sources) -> None:
    maker, meter = MetricLines("m"), sources.meter
    maker.changed(read(sources))
    assert maker.changed(read(sources)) == []
    meter.generated += 5
    meter.between_tokens.observe([0.010, 0.030])
    assert maker.changed(read(sources)) == [
        "[METRICS]djl_trtllm_inter_token_latency.Milliseconds:20|#model_name:m",
        "[METRICS]djl_trtllm_generation_tokens.Count:5|#model_name:m",
    ]
    meter.generated += 2
    meter.between_tokens.observe([0.1])
    assert maker.changed(read(sources)) == [
        "[METRICS]djl_trtllm_inter_token_latency.Milliseconds:100|#model_name:m",
        "[METRICS]djl_trtllm_generation_tokens.Count:2|#model_name:m",
    ]


def test_a_gauge_that_falls_is_written_and_so_is_a_counter_of_another_engine(sources: Sources) -> None:
    maker = MetricLines("m")
    sources.engine.told = EngineStats(running=4, prefix_hits=100)
    maker.changed(read(sources))
    sources.engine.told = EngineStats(running=0, prefix_hits=7)
    assert maker.changed(read(sources)) == [
        "[METRICS]djl_trtllm_num_requests_running.None:0|#model_name:m",
        "[METRICS]djl_trtllm_prefix_cache_hits.Count:7|#model_name:m",
    ]


class Stream(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


@pytest.fixture
def handler():
    made = logging.StreamHandler(Stream())
    logger = logging.getLogger("djl_trtllm")
    logger.addHandler(made)
    yield made
    logger.removeHandler(made)


def test_lines_are_written_whole_and_at_most_a_page_at_once(handler) -> None:
    lines = [f"[METRICS]x.Count:{i}" + "y" * 90 for i in range(100)]
    write(lines)
    assert handler.stream.getvalue() == "".join(line + "\n" for line in lines)
    assert all(text.endswith("\n") and len(text) <= metric_lines.AT_ONCE for text in handler.stream.writes)
    assert len(handler.stream.writes) < 5


def test_a_pipe_that_is_gone_is_nobodys_trouble(handler) -> None:
    handler.stream.close()
    write(["[METRICS]x.Count:1"])
