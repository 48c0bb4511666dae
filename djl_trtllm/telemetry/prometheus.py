"""The metrics for Prometheus: its text format over HTTP, by prometheus_client, which is imported only here.

The numbers are not prometheus_client's own: observing one of its histograms costs as much as a token (1.6 µs, 0.26).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any

from djl_trtllm.errors import LoadError
from djl_trtllm.telemetry.catalog import PREFIX, Kind, Metric
from djl_trtllm.telemetry.histogram import Histogram
from djl_trtllm.telemetry.readings import Sources, read

MODEL = "model_name"


class Collector:
    """Gives prometheus_client all metrics of one model whenever it is asked."""

    def __init__(self, sources: Sources, model: str) -> None:
        self._sources = sources
        self._model = model

    def collect(self) -> Iterable[Any]:
        """Return the metric families, also those that have no value yet."""
        families = []
        for reading in read(self._sources):
            family = _family(reading.metric)
            for labels, value in reading.values.items():
                given = [self._model, *labels]
                if isinstance(value, Histogram):
                    family.add_metric(given, _buckets(value), value.sum)
                else:
                    family.add_metric(given, value)
            families.append(family)
        return families


def _family(metric: Metric) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    made = {
        Kind.COUNTER: CounterMetricFamily,
        Kind.GAUGE: GaugeMetricFamily,
        Kind.HISTOGRAM: HistogramMetricFamily,
    }[metric.kind]
    return made(PREFIX + metric.name, metric.help, labels=(MODEL, *metric.labels))


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return each upper bound with how many values are not above it."""
    from prometheus_client.utils import floatToGoString

    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*histogram.bounds, float("inf")), list(histogram.counts), strict=True):
        total += count
        buckets.append((floatToGoString(bound), total))
    return buckets


class Endpoint:
    """The HTTP server, from construction to `close`. It answers every path, each scrape in a thread of its own."""

    def __init__(self, sources: Sources, model: str, host: str, port: int, source: str) -> None:
        """`source` is where `port` was set. Raises `LoadError` where it cannot listen, or lacks the library."""
        try:
            import prometheus_client
            from prometheus_client import CollectorRegistry, ProcessCollector
        except ImportError as error:
            raise LoadError(
                f"metrics_port={port} ({source}) needs the package prometheus-client: "
                "pip install 'djl-trtllm[metrics]', or unset the option."
            ) from error
        registry = CollectorRegistry()
        registry.register(Collector(sources, model))
        ProcessCollector(registry=registry)
        try:
            self._server, self._thread = prometheus_client.start_http_server(port, host, registry)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
            raise LoadError(
                f"Metrics cannot be served on {host} port {port} ({reason}): metrics_port={port} ({source}). Choose "
                "another port or metrics_host; where DJL starts several workers of a model, set minWorkers=1 and "
                "maxWorkers=1."
            ) from error
        self._closing = threading.Lock()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening; a second call does nothing."""
        with self._closing:
            if self._thread.is_alive():
                self._server.shutdown()
                self._thread.join()
                self._server.server_close()
