"""OpenTelemetry's SDK, set up by the environment: imported only where option.tracing=otlp."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from djl_trtllm.options.secrets import clean

NAME = "djl-trtllm"
"""What OpenTelemetry calls the service where OTEL_SERVICE_NAME does not."""

log = logging.getLogger(__name__)


def provider() -> TracerProvider:
    """Return a provider of tracers of our own: whatever else the process traces stays as it is."""
    _silence()
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    made = TracerProvider(
        resource=Resource.create({} if named else {SERVICE_NAME: NAME}), shutdown_on_exit=False
    )
    made.add_span_processor(BatchSpanProcessor(_Patient(OTLPSpanExporter())))
    return made


class _Patient:
    """Sends on, and says once that the collector does not take what it is sent."""

    def __init__(self, inner: OTLPSpanExporter) -> None:
        self._inner = inner
        self._warned = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those that are not taken are lost."""
        try:
            result = self._inner.export(spans)
        except Exception:
            result = SpanExportResult.FAILURE
        if result is not SpanExportResult.SUCCESS and not self._warned:
            self._warned = True
            where = clean(str(getattr(self._inner, "_endpoint", "") or "the OTLP endpoint"))
            log.warning(
                "%s does not take the spans of option.tracing=otlp: they are dropped until it does, which is not said "
                "again. OTEL_EXPORTER_OTLP_ENDPOINT says where they go.",
                where,
            )
        return result

    def shutdown(self) -> None:
        """Give up what is being sent."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: nothing is kept here."""
        return bool(self._inner.force_flush(timeout_millis))


def _silence() -> None:
    """Keep the SDK's own complaints, one for every batch and with what servers answer, out of the log."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
