"""What can be measured, part by part: in full with so many pairs, and in a small form that takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import (
    admission,
    cancel,
    choice,
    counts,
    detokenise,
    first_token,
    handler_cost,
    imports,
    lookup,
    overlap,
    queued_memory,
    refusal,
    served,
    start,
    throughput,
    validation,
)
from bench.stats import Figure


@dataclass(frozen=True, slots=True)
class Part:
    """One part. The ids of its figures begin with its name; `bars` are the goals that they answer."""

    name: str
    bars: tuple[str, ...]
    says: str
    run: Callable[[int], list[Figure]]
    quick: Callable[[], list[Figure]]


PARTS = (
    Part(
        "handler",
        ("P1",),
        "CPU time of the handler for a streamed token, ours with detokenising ÷ upstream's without",
        handler_cost.run,
        lambda: handler_cost.run(1, streams=(8,), tokens=400),
    ),
    Part(
        "counts",
        ("P1", "P2", "P8", "P17"),
        "machine instructions: ours ÷ upstream's, at 999 streams ÷ 64, in long texts ÷ short; log and metrics",
        counts.run,
        counts.quick,
    ),
    Part(
        "overlap",
        ("P3",),
        "tokens a second over an engine with steps of 5, 10 and 20 ms at 256 streams ÷ a loop that only counts",
        overlap.run,
        lambda: overlap.run(1, streams=8, tokens=16),
    ),
    Part(
        "throughput",
        ("P4",),
        "tokens a second through the handler ÷ OpenVINO's own loop, at 8, 32 and 64 streams",
        throughput.run,
        lambda: throughput.run(1, streams=(2,)),
    ),
    Part(
        "served",
        (),
        "end to end over HTTP through DJL's Java engine, beside the raw engine, and where the time goes",
        served.run,
        lambda: served.run(1, streams=(2,)),
    ),
    Part(
        "first_token",
        ("P5",),
        "what the handler adds to the time to the first token",
        first_token.run,
        lambda: first_token.run(1, requests=5, together=4),
    ),
    Part(
        "admission",
        ("P6",),
        "the widest step of 32 streams while a prompt of 64k tokens is admitted ÷ the median step",
        admission.run,
        lambda: admission.run(1, streams=2, tokens=4_000),
    ),
    Part(
        "detokenise",
        ("P7",),
        "how many times as fast as DecodeStream, a window of two decodes and transformers' streamer",
        detokenise.run,
        lambda: detokenise.run(1, answers=2, longest=512, streamer=False),
    ),
    Part(
        "validation",
        ("P9",),
        "reading and checking a body of 4 kB ÷ orjson.loads of it",
        validation.run,
        lambda: validation.run(1, rounds=100),
    ),
    Part(
        "refusal",
        ("P10",),
        "refusing a prompt of 10 MB, beyond parsing its body",
        refusal.run,
        lambda: refusal.run(1, size=2_000_000),
    ),
    Part(
        "start",
        ("P11",),
        "a start on a cache hit, without imports and the engine's own load",
        start.run,
        lambda: start.run(1),
    ),
    Part(
        "lookup",
        ("P12",),
        "from a plan to its compiled model among 1,000",
        lookup.run,
        lambda: lookup.run(1, entries=20),
    ),
    Part(
        "cancel",
        ("P14",),
        "steps of OpenVINO's engine that begin after a cancel and still have the sequence's memory taken",
        cancel.run,
        lambda: cancel.run(1),
    ),
    Part(
        "queued_memory",
        ("P15",),
        "the worker's memory for each request that waits, beyond its prompt",
        queued_memory.run,
        lambda: queued_memory.run(1, requests=40),
    ),
    Part(
        "imports",
        ("P16",),
        "import of the handler's module",
        imports.run,
        lambda: imports.run(1),
    ),
)


def chosen(wanted: Sequence[str]) -> list[Part]:
    """Return the parts that are meant by names or bars, all for none. Raises ValueError, which names every mistake."""
    shown = (name for part in PARTS for name in _names(part))
    return choice.chosen(PARTS, wanted, _names, shown)


def _names(part: Part) -> Sequence[str]:
    return (part.name, *part.bars)
