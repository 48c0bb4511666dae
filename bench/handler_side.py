"""One side of the handler figure in a process of its own: `python -m bench.handler_side <side> <version>`.

Answers one JSON line per JSON line on its standard input and sleeps in between, so that a second side can be
measured meanwhile. A generation is a step with N arrivals, then steps with N empty items, one token per
stream and step. Only `handle(Input) -> Output` is timed, in CPU time of the process: the Input is read
before and the Output is never sent. The first step, with parsing and admission, is reported apart from the
streamed tokens.
"""

from __future__ import annotations

import gc
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from bench import djl, workload
from bench.process import serve

TOKENS = 64
"""Tokens of one answer. Logging a request and ending its answer are part of its cost."""


class Side:
    """A loaded handler and what feeds it."""

    def __init__(self, name: str, version: str) -> None:
        djl.use(version)
        loaded = import_module(f"bench.{name}").load(version, TOKENS)
        self.handle: Callable[[Any], Any] = loaded.handle
        self.feed: Callable[[], None] = loaded.feed
        self.frames = workload.Frames(version)

    def inputs(self, wire: Any) -> Any:
        """Read a step's Input and complete it as DJL's Python process does."""
        from djl_python import Input

        inputs = Input()
        inputs.read(wire)
        inputs.properties["device_id"] = "-1"
        return inputs

    def run(self, streams: int, generations: int, form: str) -> dict[str, float]:
        """Time whole generations: CPU and wall µs per streamed token, and CPU µs per admitted request."""
        arrivals = self.frames.arrivals(_bodies(streams, form))
        steady = self.frames.steady(streams)
        admission = cpu = wall = 0.0
        gc.collect()
        for _ in range(generations):
            inputs = self.inputs(workload.Wire(arrivals))
            begun = time.process_time()
            output = self.handle(inputs)
            admission += time.process_time() - begun
            _expect(output, streams)
            for _step in range(TOKENS - 1):
                self.feed()
                inputs = self.inputs(workload.Wire(steady))
                begun_wall, begun = time.perf_counter(), time.process_time()
                output = self.handle(inputs)
                cpu += time.process_time() - begun
                wall += time.perf_counter() - begun_wall
                _expect(output, streams)
        streamed = streams * generations * (TOKENS - 1)
        return {
            "token": cpu / streamed * 1e6,
            "wall": wall / streamed * 1e6,
            "admission": admission / (streams * generations) * 1e6,
        }

    def texts(self, streams: int, form: str) -> list[str]:
        """Return the text every stream received, to show that both sides do the same work."""
        received = [""] * streams
        inputs = self.inputs(workload.Wire(self.frames.arrivals(_bodies(streams, form))))
        for step in range(TOKENS):
            if step:
                self.feed()
                inputs = self.inputs(workload.Wire(self.frames.steady(streams)))
            output = self.handle(inputs)
            for index, item in enumerate(output.content.values):
                fields = self.frames.item(bytes(item))
                if fields["last"].lower() != str(step == TOKENS - 1).lower():
                    raise AssertionError(f"stream {index} of {streams}: last={fields['last']} in step {step}")
                for line in fields["data"].splitlines():
                    answer = json.loads(line)
                    received[index] += "".join(answer.get("outputs", ())) or answer["token"]["text"]
        return received

    def wire(self, streams: int) -> dict[str, float]:
        """Time djl_python's own `Input.read` and `Output.send` over a socket, in µs per streamed token."""
        ours, theirs = socket.socketpair()
        threading.Thread(target=_drain, args=(theirs,), daemon=True).start()
        arrivals = self.frames.arrivals(_bodies(streams))
        steady = self.frames.steady(streams)
        read = send = 0.0
        for step in range(TOKENS):
            if step:
                self.feed()
            frame = steady if step else arrivals
            feeder = threading.Thread(target=theirs.sendall, args=(frame,))
            feeder.start()
            feeder.join(0.02)
            begun = time.thread_time()
            inputs = self.inputs(ours)
            middle = time.thread_time()
            output = self.handle(inputs)
            end = time.thread_time()
            output.send(ours)
            feeder.join()
            if step:
                read += middle - begun
                send += time.thread_time() - end
        ours.close()
        streamed = streams * (TOKENS - 1)
        return {"read": read / streamed * 1e6, "send": send / streamed * 1e6}


def _bodies(streams: int, form: str = "jsonlines") -> list[bytes]:
    asked = {"details": True} if form == "details" else {}
    return [workload.body(prompt, TOKENS, **asked) for prompt in workload.prompts(streams)]


def _expect(output: Any, streams: int) -> None:
    if len(output.content.values) != streams:
        raise AssertionError(f"{len(output.content.values)} items for {streams} streams")


def _drain(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass


if __name__ == "__main__":
    serve(Side, *sys.argv[1:])
