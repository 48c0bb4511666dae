"""The handler as DJL's worker runs it, with a clock on every layer it passes: what the model.py of `served` imports.

The worker's one thread is at any moment in one of five places: waiting for Java and the socket, in djl_python's
`Input.read`, in the handler, waiting for the engine inside of it, or in `Output.send`. Time without requests counts as
none. Whenever the last request has been answered, the seconds so far are written beside model.py.
"""

from __future__ import annotations

import json
import select
import time
from pathlib import Path
from typing import Any

from djl_python.inputs import Input
from djl_python.outputs import Output

from bench import drive
from bench.layers import ENDED, FILE, LAYERS
from djl_trtllm import handler
from djl_trtllm.rolling_batch.inbox import QueueInbox


class Clock:
    """Seconds by layer. The layers follow each other, and each is charged for the time since the one before."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(LAYERS, 0.0)
        self.active = self.ended = 0
        self.file: Path | None = None
        self._last = time.perf_counter()

    def passed(self, layer: str) -> None:
        """Charge `layer`."""
        now = time.perf_counter()
        self.seconds[layer] += now - self._last
        self._last = now

    def idle(self) -> None:
        """Charge nobody."""
        self._last = time.perf_counter()

    def write(self) -> None:
        """Let others see it."""
        if self.file is not None:
            draft = self.file.with_suffix(".tmp")
            draft.write_text(json.dumps({**self.seconds, ENDED: self.ended}))
            draft.replace(self.file)


clock = Clock()
_read, _send, _wait = Input.read, Output.send, QueueInbox.wait


def handle(inputs: Input) -> Output | None:
    """Answer as the handler does."""
    if inputs.is_empty():
        clock.file = Path(inputs.get_properties()["model_dir"]) / FILE
        loaded = handler.handle(inputs)
        clock.idle()
        return loaded
    clock.passed("read")
    output = handler.handle(inputs)
    clock.passed("handler")
    if output is not None:
        items = output.content.values
        ended = drive.ended(items)
        clock.ended += ended
        clock.active = len(items) - ended
    return output


def read(self: Input, connection: Any) -> None:
    """`Input.read`, once there is something to read."""
    select.select([connection], [], [])
    if clock.active:
        clock.passed("java")
    else:
        clock.idle()
    _read(self, connection)


def send(self: Output, connection: Any) -> None:
    """`Output.send`."""
    _send(self, connection)
    clock.passed("send")
    if not clock.active:
        clock.write()


def wait(self: QueueInbox, seconds: float) -> Any:
    """`QueueInbox.wait`, where the handler waits for the engine."""
    clock.passed("handler")
    news = _wait(self, seconds)
    clock.passed("engine")
    return news


Input.read, Output.send, QueueInbox.wait = read, send, wait
