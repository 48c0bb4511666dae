"""Spans of loads and requests, received by a collector of our own."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from djl_trtllm.errors import LoadError, OptionsError
from djl_trtllm.options.table import Options
from djl_trtllm.telemetry import tracing
from djl_trtllm.telemetry.requests import RequestSummary
from djl_trtllm.telemetry.tracing import Otlp, Tracing
from tests.support.collector import eventually
from tests.support.otlp_receiver import Receiver, receiver

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENDED = RequestSummary(
    7, "eos_token", 200, 5, 12, 0.25, 1.5, origin=("0c9d-1", ""), queue_seconds=0.125, format="json_chat"
)


class Progress:
    def __init__(self) -> None:
        self.said: list[tuple[str, float | None]] = []

    def stage(self, name: str, percent: float | None = None) -> None:
        self.said.append((name, percent))


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiver() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        yield found


@pytest.fixture
def opened(collector: Receiver) -> Iterator[Otlp]:
    made = Otlp("smollm")
    made.open()
    yield made
    made.close()


def test_a_request_is_a_span_with_sizes_and_times_in_the_trace_of_its_caller(opened, collector) -> None:
    now = time.time()
    opened.ended([replace(ENDED, origin=("0c9d-1", f"00-{TRACE}-{PARENT}-01"), ended=time.monotonic() - 10)])
    eventually(lambda: collector.spans, "the span")
    (span,) = collector.spans
    assert (span.name, span.trace, span.parent, span.kind) == ("chat smollm", TRACE, PARENT, 2)
    assert span.over / 1e9 == pytest.approx(now - 10, abs=5)
    assert (span.over - span.begun) / 1e9 == pytest.approx(1.5)
    assert span.status == 0
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "djl_trtllm",
        "gen_ai.request.model": "smollm",
        "gen_ai.response.model": "smollm",
        "gen_ai.request.id": "0c9d-1",
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 12,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.latency.time_in_queue": 0.125,
        "gen_ai.latency.time_to_first_token": 0.25,
        "gen_ai.latency.e2e": 1.5,
        "http.response.status_code": 200,
        "djl_trtllm.request": 7,
    }
    assert collector.resource["service.name"] == "djl-trtllm"


def test_without_a_parent_a_request_is_a_trace_of_its_own_and_errors_say_whose_they_are(
    opened: Otlp, collector: Receiver
) -> None:
    opened.ended(
        [
            replace(ENDED, origin=("", ""), format="json"),
            replace(ENDED, status=400, code="invalid_request", reason="error"),
            replace(ENDED, status=503, code="engine_restarting", reason="error"),
            replace(ENDED, code="generation_failed", reason="error"),
        ]
    )
    eventually(lambda: len(collector.spans) == 4, "the spans")
    assert len({span.trace for span in collector.spans}) == 4
    assert {span.parent for span in collector.spans} == {""}
    first, bad, restarting, cut = collector.spans
    assert first.name == "text_completion smollm"
    assert first.attributes["gen_ai.request.id"] == "7"
    assert [s.attributes.get("error.type") for s in (first, bad, restarting, cut)] == [
        None,
        "invalid_request",
        "engine_restarting",
        "generation_failed",
    ]
    assert [s.status for s in (first, bad, restarting, cut)] == [0, 0, 2, 2]


def test_what_the_caller_does_not_sample_is_not_sent(opened: Otlp, collector: Receiver) -> None:
    opened.ended([replace(ENDED, origin=("", f"00-{TRACE}-{PARENT}-00")), ENDED])
    eventually(lambda: collector.spans, "the span")
    assert [span.trace for span in collector.spans] != [TRACE]
    assert len(collector.spans) == 1


def test_a_load_is_a_span_with_its_stages(opened: Otlp, collector: Receiver) -> None:
    shown = Progress()
    progress = opened.follow(shown)
    for stage in (("reading",), ("compiling", 10.0), ("compiling", 20.0), ("opening",)):
        progress.stage(*stage)
    opened.loaded(None, {"djl_trtllm.cache": "miss"})
    eventually(lambda: len(collector.spans) == 4, "the spans")
    assert shown.said == [("reading", None), ("compiling", 10.0), ("compiling", 20.0), ("opening", None)]
    (load,) = collector.named("load smollm")
    stages = [span for span in collector.spans if span is not load]
    assert [span.name for span in sorted(stages, key=lambda s: s.begun)] == [
        "reading",
        "compiling",
        "opening",
    ]
    assert {(span.trace, span.parent) for span in stages} == {(load.trace, load.id)}
    assert load.begun <= min(s.begun for s in stages)
    assert load.over == max(s.over for s in stages)
    assert load.attributes == {"gen_ai.request.model": "smollm", "djl_trtllm.cache": "miss"}


@pytest.mark.parametrize(
    ("error", "kind"),
    [(OptionsError("a=secret is wrong."), "invalid_options"), (KeyError("secret"), "KeyError")],
)
def test_a_load_that_fails_is_sent_before_the_worker_ends(
    opened: Otlp, collector: Receiver, error: Exception, kind: str
) -> None:
    opened.loaded(error, {})
    (load,) = collector.spans
    assert load.status == 2
    assert load.attributes["error.type"] == kind
    assert b"secret" not in b"".join(collector.raw)
    opened.loaded(None, {})
    opened.close()
    assert len(collector.spans) == 1


def test_the_operators_own_name_of_the_service(collector: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    made = Otlp("m")
    made.open()
    made.ended([ENDED])
    made.close()
    assert collector.resource["service.name"] == "mine"


@pytest.mark.parametrize("answers", [True, False])
def test_a_collector_that_is_dead_or_refuses_costs_one_warning(
    answers: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with receiver() as refusing, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        dead = f"http://user:pass@127.0.0.1:{silent.getsockname()[1]}"
        refusing.status = 400
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refusing.url if answers else dead)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
        made = Otlp("m")
        with caplog.at_level(logging.DEBUG, "djl_trtllm"):
            made.open()
            for _ in range(3):
                made.ended([ENDED])
                eventually(lambda: caplog.messages, "the warning")
            begun = time.monotonic()
            made.ended([ENDED] * 5000)
            handed = time.monotonic() - begun
            made.close()
            closed = time.monotonic() - begun
    (warning,) = caplog.messages  # none of the SDK's own, whoever listens
    assert "does not take the spans of option.tracing=otlp" in warning
    assert "pass" not in warning
    assert handed < 1
    assert closed < 30
    assert capfd.readouterr() == ("", "")


def test_requests_are_dropped_where_the_thread_is_far_behind(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "STEPS", 2)
    made = Otlp("m")  # never opened: nothing is taken from its queue
    for _ in range(5):
        made.ended([ENDED])
    assert caplog.messages == ["more requests end than spans can be made of; spans are dropped"]
    made.close()


def test_a_request_of_which_no_span_can_be_made_costs_no_other_its_span(
    opened: Otlp, collector: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    opened.ended([replace(ENDED, total_seconds=None), ENDED])  # type: ignore[arg-type]
    eventually(lambda: collector.spans, "the span")
    assert len(collector.spans) == 1
    assert caplog.messages[0].startswith("a span could not be made: TypeError at _send:")


def test_what_is_missing_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "djl_trtllm.telemetry.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(LoadError, match=r"needs opentelemetry: pip install djl-trtllm\[tracing\]\."):
        Otlp("m").open()


def test_settings_that_the_sdk_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(
        LoadError, match="with the OTEL_ variables as they are: ValueError: max_queue_size must"
    ):
        Otlp("m").open()


def test_another_protocol_is_said_to_be_ignored(
    collector: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    made = Otlp("m")
    made.open()
    made.close()
    assert caplog.messages == ["OTEL_EXPORTER_OTLP_PROTOCOL is ignored: spans are sent as http/protobuf"]


def test_off_it_does_nothing_and_imports_nothing() -> None:
    off = tracing.of(Options(), "m")
    progress = Progress()
    off.open()
    assert off.follow(progress) is progress
    off.ended([ENDED])
    off.loaded(None, {})
    off.close()
    assert type(off) is Tracing
    assert isinstance(tracing.of(Options(tracing="otlp"), "m"), Otlp)
    code = (
        "import sys, djl_trtllm.service, json\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('opentelemetry')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_an_exporter_that_raises_loses_its_spans_and_nothing_else(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from djl_trtllm.telemetry import otlp

    class Raising:
        _endpoint = "http://collector/v1/traces"

        def export(self, spans: object) -> None:
            raise ConnectionError("who knows")

        def shutdown(self) -> None: ...

        def force_flush(self, milliseconds: int) -> bool:
            return True

    patient = otlp._Patient(Raising())  # type: ignore[arg-type]
    for _ in range(2):
        assert patient.export([]).name == "FAILURE"
    assert patient.force_flush()
    assert [message.split()[0] for message in caplog.messages] == ["http://collector/v1/traces"]


def test_a_load_whose_spans_cannot_be_made_goes_on(opened: Otlp, caplog: pytest.LogCaptureFixture) -> None:
    opened._tracer = object()
    opened.loaded(None, {})
    assert caplog.messages[-1].startswith("the load's spans could not be made: AttributeError at _send_load")
