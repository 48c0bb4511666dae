"""The metrics as LMI takes them: `[METRICS]` lines in the log, which DJL's Java reads instead of showing them.

A line is `[METRICS]name.Unit:value|#label:value,...`. The time and the type that 0.34 takes behind it are left out: for
0.25 a line with a type is none (`ai.djl.metric.Metric`, both versions, from their byte code). DJL-Serving adds values
of the unit Count up and takes the newest one of any other (its Prometheus appender, 2024), and goes by the first label.
So counters are written as what was added since the last time, histograms as the mean since then.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator

from djl_trtllm.telemetry.catalog import PREFIX, Kind, Metric
from djl_trtllm.telemetry.histogram import Histogram
from djl_trtllm.telemetry.readings import Labels, Reading

MARK = "[METRICS]"
AT_ONCE = 4096
"""Bytes that a pipe takes whole, whoever else writes to it (Linux's PIPE_BUF)."""

_ODD = re.compile(r"[^\w.\-/]")
_SECONDS = "_seconds"
_PERCENT = "_perc"


class MetricLines:
    """Makes lines of what has changed since the last ones. `model` is the last label of each."""

    def __init__(self, model: str) -> None:
        self._model = _ODD.sub("_", model)
        self._told: dict[tuple[str, Labels], float] = {}
        self._sums: dict[str, float] = {}

    def changed(self, readings: list[Reading]) -> list[str]:
        """Return the lines; nothing changed, no lines."""
        return [
            line
            for reading in readings
            for labels, value in reading.values.items()
            for line in self._line(reading.metric, labels, value)
        ]

    def _line(self, metric: Metric, labels: Labels, value: float | Histogram) -> Iterator[str]:
        number = value.count if isinstance(value, Histogram) else value
        before = self._told.get((metric.name, labels), 0)
        if number == before:
            return
        self._told[metric.name, labels] = number
        # What counts from the start of an engine begins anew with the next one.
        added = number - before if number >= before else number
        if isinstance(value, Histogram):
            total, earlier = value.sum, self._sums.get(metric.name, 0.0)
            self._sums[metric.name] = total
            name, unit, said = (
                metric.name.removesuffix(_SECONDS),
                "Milliseconds",
                1000 * (total - earlier) / added,
            )
        elif metric.kind is Kind.COUNTER:
            name, unit, said = metric.name, "Count", added
        elif metric.name.endswith(_SECONDS):
            name, unit, said = metric.name.removesuffix(_SECONDS), "Milliseconds", 1000 * number
        elif metric.name.endswith(_PERCENT):
            name, unit, said = metric.name, "Percent", 100 * number
        else:
            name, unit, said = metric.name, "None", number
        named = [*zip(metric.labels, labels, strict=True), ("model_name", self._model)]
        shown = ",".join(f"{label}:{_ODD.sub('_', text)}" for label, text in named)
        yield f"{MARK}{PREFIX}{name}.{unit}:{_number(said)}|#{shown}"


def _number(value: float) -> str:
    """Return a number as Java's pattern takes it: digits, a sign and a point, no exponent's plus."""
    return f"{value:.3f}".rstrip("0").rstrip(".") or "0"


def write(lines: list[str]) -> None:
    """Write lines where the log goes, under its lock, so that neither tears the other's."""
    for handler in logging.getLogger("djl_trtllm").handlers:
        if isinstance(handler, logging.StreamHandler):
            _write(handler.stream.write, handler, lines)


def _write(put: Callable[[str], object], handler: logging.Handler, lines: list[str]) -> None:
    handler.acquire()
    try:
        part = ""
        for line in lines:
            if part and len(part) + len(line) >= AT_ONCE:
                put(part)
                handler.flush()
                part = ""
            part += line + "\n"
        put(part)
        handler.flush()
    except (OSError, ValueError):  # DJL has gone, and its pipe with it
        return
    finally:
        handler.release()
