"""What a start says of itself: one block in the log, the same for every runtime.

A `Report` is what is known; `lines` makes the block of it. What is not known is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from djl_trtllm.core import Limit, Limits
from djl_trtllm.engines.estimate import HOST, Estimate
from djl_trtllm.options import explain
from djl_trtllm.options.places import size
from djl_trtllm.options.secrets import clean, shown
from djl_trtllm.options.table import SPECS, Options
from djl_trtllm.telemetry.told import Encode, Told

_INDENT = "  "
_LABEL = 10
_NOTE = "note"
_TIMEOUTS = ("predict_timeout", "stall_timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One start, or what one would come to.

    `family` is the architecture in words, `why` the reason for the runtime. `artifact` says what is served and where
    it came from: a cache hit or miss with its reason, or a model taken as it is; `quality` how a quantised model
    compares. `limits` are those of the opened engine. `free_bytes` is what each device has left with the model loaded.
    `ranks` is their number, `seconds` the time that loading took. `notes` are about options, one line each.
    """

    origin: str
    runtime: str
    why: str
    options: Options
    family: str = ""
    artifact: str = ""
    quality: str = ""
    limits: Limits | None = None
    estimate: Estimate | None = None
    free_bytes: int | None = None
    ranks: int = 1
    seconds: float | None = None
    notes: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


def lines(report: Report) -> list[str]:
    """Return the block: a title, then lines of a label and what is to be said, aligned."""
    return list(Block(report).lines())


class Block(Told):
    """The report as one message to the log: lines of text, or one object with a field for each label."""

    __slots__ = ("_rows", "_seconds", "_title")

    def __init__(self, report: Report) -> None:
        self._title = "start-up report" if report.seconds is None else f"ready after {report.seconds:.1f} s"
        self._seconds = report.seconds
        self._rows = [(label, clean(text)) for label, text in _rows(report)]

    def lines(self) -> Sequence[str]:
        """Return the title, then a line for each label, aligned."""
        rows = (f"{_INDENT}{label:<{_LABEL}}{text}".rstrip() for label, text in self._rows)
        return [self._title, *rows]

    def objects(self, encode: Encode) -> Iterable[str]:
        """Return one object; `notes` are a list, all other fields texts and numbers."""
        fields: dict[str, object] = {} if self._seconds is None else {"seconds": round(self._seconds, 3)}
        fields |= {label.lower().replace(" ", "_"): text for label, text in self._rows if label != _NOTE}
        fields["notes"] = [text for label, text in self._rows if label == _NOTE]
        return [encode(self._title, fields)]


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    yield "model", _model(report)
    ranks = f" on {report.ranks} ranks" if report.ranks > 1 else ""
    yield "runtime", f"{report.runtime}{ranks}: {report.why}"
    if report.artifact:
        yield "artifact", report.artifact
    if report.quality:
        yield "quality", report.quality
    if report.limits is not None:
        yield "limits", _limits(report.limits)
    if report.limits is not None or report.estimate is not None:
        yield from _memory(report)
    yield "timeouts", _timeouts(report)
    if chosen := _chosen(report.options):
        yield "options", ", ".join(chosen)
    for note in report.notes:
        yield _NOTE, note
    if report.versions:
        yield "versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())


def _model(report: Report) -> str:
    parts = [report.origin, report.family]
    if report.estimate is not None:
        if report.estimate.parameters:
            parts.append(f"{count(report.estimate.parameters)} parameters")
        parts.append(report.estimate.weights)
    return ", ".join(filter(None, parts))


def count(number: int) -> str:
    """Return a number of parameters as people write it: 134.5M, 8.0B."""
    for divisor, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if number >= divisor:
            return f"{number / divisor:.1f}{unit}"
    return str(number)


def _limits(limits: Limits) -> str:
    def said(name: str, limit: Limit) -> str:
        return f"{name} {limit.value} ({limit.source})"

    return ", ".join(
        (
            said("input", limits.max_input_len),
            said("output", limits.max_output_len),
            said("total", limits.max_sequence_len),
            said("batch", limits.max_batch_size),
        )
    )


def _memory(report: Report) -> Iterator[tuple[str, str]]:
    estimate = report.estimate
    told = report.limits.kv_cache_tokens if report.limits is not None else None
    kv = estimate.kv if estimate is not None else None
    # An engine that does not tell the size of its cache has a limit from elsewhere: then the estimate is nearer.
    exact = told is not None and (kv is None or kv.tokens is None or kv.source.startswith(told.source))
    tokens = told.value if exact and told is not None else kv.tokens if kv is not None else None
    source = told.source if exact and told is not None else kv.source if kv is not None else ""
    if tokens is not None:
        about = "" if exact else "about "
        yield "KV cache", f"{about}{tokens} tokens ({source}){_concurrent(tokens, estimate)}"
    if estimate is None:
        return
    parts = [f"weights {size(estimate.weights_bytes)}"]
    if tokens is not None and kv is not None:
        parts.append(f"KV cache {size(tokens * kv.per_token)}")
    each = "" if estimate.device == HOST else " on each GPU"
    if estimate.total_bytes is not None:
        parts.append(f"of {size(estimate.total_bytes)}{each}")
    if report.free_bytes is not None:
        parts.append(f"{size(report.free_bytes)} free")
    yield "memory", ", ".join(parts)


def _concurrent(tokens: int, estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    fit = tokens // max(estimate.request_tokens, 1)
    if fit == 0:
        return f": less than one request of {estimate.request_tokens} tokens, the longest allowed"
    return f": {fit} request{'s' * (fit > 1)} of {estimate.request_tokens} tokens at once"


def _timeouts(report: Report) -> str:
    options = report.options
    names = (*_TIMEOUTS, "rank_timeout") if report.ranks > 1 else _TIMEOUTS
    used = "" if report.seconds is None else f", {report.seconds:.0f} s of it used"
    loading = f"{_timeout(options, 'model_loading_timeout')}{used}"
    return ", ".join((loading, *(_timeout(options, name) for name in names)))


def _timeout(options: Options, name: str) -> str:
    return f"{name} {getattr(options, name)} s ({_origin(options, name)})"


def _origin(options: Options, name: str) -> str:
    source = options.source_of(name)
    return SPECS[name].default or "default" if source == "default" else source


def _chosen(options: Options) -> list[str]:
    """Every option that was set, with its source; those that are shown elsewhere in the block as well."""
    return [
        f"{name}={shown(name, explain.written(getattr(options, name)))} ({source})"
        for name, source in options.sources.items()
        if name in SPECS
    ]
