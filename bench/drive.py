"""A handler driven as DJL drives it: arrivals in one frame, then steps until everybody has had their last reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from bench import workload


def step(handle: Callable[[Any], Any], frame: bytes) -> Sequence[bytes]:
    """Let djl_python read one frame, answer it, and return the items of the reply."""
    from djl_python import Input

    inputs = Input()
    inputs.read(workload.Wire(frame))
    items: Sequence[bytes] = handle(inputs).content.values
    return items


def ended(items: Sequence[bytes]) -> int:
    """Count last replies."""
    return sum(item.endswith(b"true") for item in items)


def tokens_a_second(
    handle: Callable[[Any], Any], frames: workload.Frames, bodies: Sequence[bytes], tokens: int
) -> float:
    """Run requests that begin together and answer in jsonlines, `tokens` tokens each, and count their lines."""
    frame, active, outputs = frames.arrivals(list(bodies)), len(bodies), []
    begun = time.perf_counter()
    while active:
        items = step(handle, frame)
        outputs.append(items)
        active -= ended(items)
        frame = frames.steady(active)
    seconds = time.perf_counter() - begun
    lines = sum(frames.item(bytes(item))["data"].count("\n") for items in outputs for item in items)
    if lines != len(bodies) * tokens:
        raise AssertionError(f"{lines} lines for {len(bodies) * tokens} tokens")
    return lines / seconds
