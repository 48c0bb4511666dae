"""OpenTelemetry spans by option.tracing=otlp: one for the load with its stages, one for each request.

Where they go to is said by OpenTelemetry's own variables, OTEL_EXPORTER_OTLP_ENDPOINT and others; they leave as
http/protobuf. Requests are handed over with one call a step: a thread makes the spans, another one of the SDK's sends
them. Both have bounded queues, so a collector that does not answer costs spans, not requests.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from djl_trtllm.core import Progress
from djl_trtllm.errors import LoadError
from djl_trtllm.options.secrets import clean
from djl_trtllm.telemetry import logs, spans
from djl_trtllm.telemetry.requests import RequestSummary
from djl_trtllm.telemetry.stages import Stages

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

STEPS = 1024
"""Steps with requests that ended which may wait for the thread that makes their spans."""

LAST = 1.0
"""Seconds that the end of the process waits for spans to be sent."""

_PROTOCOL = "http/protobuf"

log = logging.getLogger(__name__)


class Tracing:
    """What a service tells a trace. This one tells nothing: option.tracing=off."""

    on = False

    def open(self) -> None:
        """Get ready to send. Raises `LoadError`."""

    def follow(self, progress: Progress) -> Progress:
        """Return a progress whose stages become spans of the load."""
        return progress

    def loaded(self, error: BaseException | None, facts: Mapping[str, spans.Value]) -> None:
        """Tell that the load has ended, with what else is to be said of it."""

    def ended(self, requests: Sequence[RequestSummary]) -> None:
        """Tell of requests that ended. Never blocks."""

    def close(self) -> None:
        """Send what is left, in a second at most."""


def of(options: Options, model: str) -> Tracing:
    """Return what `options` ask for; `model` is how spans name what is served."""
    return Otlp(model) if options.tracing == "otlp" else Tracing()


class Otlp(Tracing):
    """Sends spans by OTLP over HTTP. `began` is when the load did, on the clock of `time.time_ns`."""

    on = True

    def __init__(self, model: str) -> None:
        self._model = model
        self._stages = Stages()
        self._ended: queue.Queue[Sequence[RequestSummary] | None] = queue.Queue(STEPS)
        self._provider: Any = None
        self._tracer: Any = None
        self._full = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)

    def open(self) -> None:
        """Make the provider, with the environment's settings, and begin."""
        try:
            from djl_trtllm.telemetry.otlp import provider
        except ImportError as missing:
            raise LoadError(
                f"option.tracing=otlp needs {(missing.name or 'opentelemetry').partition('.')[0]}: "
                "pip install djl-trtllm[tracing]."
            ) from missing
        try:
            self._provider = provider()
        except Exception as error:
            raise LoadError(
                "option.tracing=otlp cannot begin with the OTEL_ variables as they are: "
                f"{type(error).__name__}: {clean(str(error))}"
            ) from error
        named = next((n for n in _PROTOCOLS if os.environ.get(n, _PROTOCOL) != _PROTOCOL), None)
        if named is not None:
            log.warning("%s is ignored: spans are sent as %s", named, _PROTOCOL)
        self._tracer = self._provider.get_tracer("djl_trtllm")
        self._thread.start()
        atexit.register(self.close)

    def follow(self, progress: Progress) -> Progress:
        """Return a progress that remembers when each stage began."""
        return self._stages.of(progress)

    def loaded(self, error: BaseException | None, facts: Mapping[str, spans.Value]) -> None:
        """Make the span of the load, and one for each of its stages; of one that failed they are sent at once."""
        if self._tracer is None:
            return
        try:
            self._send_load(error, facts)
        except Exception as defect:
            log.error("the load's spans could not be made: %s", logs.describe(defect))
        if error is not None:
            self.close()

    def _send_load(self, error: BaseException | None, facts: Mapping[str, spans.Value]) -> None:
        from opentelemetry import trace

        now = time.time_ns()
        root = self._tracer.start_span(
            f"load {self._model}",
            attributes={"gen_ai.request.model": self._model, **facts},
            start_time=self._stages.began,
        )
        inside = trace.set_span_in_context(root)
        for stage, begun, over in self._stages.spans(now):
            told = logs.hide(clean(stage))
            self._tracer.start_span(told, inside, start_time=begun).end(over)
        if error is not None:
            code = getattr(error, "code", type(error).__name__)
            root.set_attribute("error.type", code)
            root.set_status(trace.StatusCode.ERROR)
        root.end(now)

    def ended(self, requests: Sequence[RequestSummary]) -> None:
        """Hand requests to the thread; they are dropped where it is far behind, which is said once."""
        try:
            self._ended.put_nowait(requests)
        except queue.Full:
            if not self._full:
                self._full = True
                log.warning("more requests end than spans can be made of; spans are dropped")

    def close(self) -> None:
        """Stop, and give the SDK until `LAST` seconds from now to send what it has."""
        if self._provider is None:
            return
        provider, self._provider = self._provider, None
        atexit.unregister(self.close)
        until = time.monotonic() + LAST
        with suppress(queue.Full):
            self._ended.put_nowait(None)
        self._thread.join(LAST)
        # The SDK would wait for half a minute; its threads end with the process.
        ending = threading.Thread(target=provider.shutdown, name="spans-end", daemon=True)
        ending.start()
        ending.join(max(until - time.monotonic(), 0.1))

    def _run(self) -> None:
        while (requests := self._ended.get()) is not None:
            now, wall = time.monotonic(), time.time_ns()
            for request in requests:
                self._make(request, wall - round((now - request.ended) * 1e9))

    def _make(self, request: RequestSummary, over: int) -> None:
        try:
            self._send(request, over)
        except Exception as error:
            log.error("a span could not be made: %s", logs.describe(error))

    def _send(self, request: RequestSummary, over: int) -> None:
        from opentelemetry import trace
        from opentelemetry.context import Context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        # Of the headers the trace's state is not passed on: it is the client's text.
        parent = TraceContextTextMapPropagator().extract({"traceparent": request.origin[1]}, Context())
        span = self._tracer.start_span(
            spans.name(request, self._model),
            parent,
            trace.SpanKind.SERVER,
            spans.attributes(request, self._model),
            start_time=over - round(request.total_seconds * 1e9),
        )
        if spans.failed(request):
            span.set_status(trace.StatusCode.ERROR)
        span.end(over)


_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
