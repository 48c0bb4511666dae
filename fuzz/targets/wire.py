"""Calls as DJL sends them, through the installed djl_python and the handler, over a whole rolling batch.

An input is either a frame's own bytes, where its first byte is odd, or lines that a frame is made of: `p key=value`
for a property, `c key=value` for a content, and `;` for the next call.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

WORDS = (
    b"batch_size", b"batch_000.data", b"batch_001.data", b"batch_000.seed", b"batch_001.",
    b"batch_000.Content-Type", b"reset_rollingbatch", b"Accept", b"application/json", b"text/plain", b"\np ",
    b"\nc ", b"\n;\n", b'{"inputs": "x"}', b'"parameters"', b'"stream": true', b'"max_new_tokens": 1', b"999",
    b"1000", b"-1",
)  # fmt: skip


class _Connection:
    """A socket that has received some bytes and was closed."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def recv(self, most: int) -> bytes:
        piece = self._data[self._at : self._at + most]
        self._at += len(piece)
        return piece


def prepared() -> Callable[[bytes], None]:
    """Return what answers an input's calls, and looks whether everybody in them is answered."""
    import logging

    from tests.support import djl_python

    djl_python.importable()
    from djl_python.inputs import Input

    from djl_trtllm.rolling_batch.wire import MAX_SLOTS
    from djl_trtllm.service.served import Service
    from djl_trtllm.worker import Server
    from tests.support.java_side import decode_item
    from tests.support.loop import Rig, tokenizer
    from tests.support.toy_engine import EVERYTHING, ToyEngine, toy_limits

    logging.disable(logging.CRITICAL)
    engine = ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size), features=EVERYTHING)
    rig = Rig(engine)
    service = Service(rig.options, tokenizer(), rig.loop, engine)  # type: ignore[arg-type]
    server = Server(service, rig.wire)

    def check(data: bytes) -> None:
        for frame in _frames(data):
            inputs = Input()
            try:
                inputs.read(_Connection(frame))
            except ValueError:  # djl_python's, for what is no UTF-8, and the end of the connection
                break
            if inputs.is_empty():
                continue
            output = server.handle(inputs)
            assert output is not None
            if not rig.wire.is_step(inputs):
                continue
            size = str(inputs.properties["batch_size"])
            if size.isdecimal() and int(size) <= MAX_SLOTS:
                assert output.content.size() == int(size), "an item for each request"
            for index in range(output.content.size()):
                item = decode_item(bytes(output.content.value_at(index)))
                assert item["data"] or item["last"] == "false" or "code" in item
        service.reset()

    return check


def _frames(data: bytes) -> Iterator[bytes]:
    if not data or data[0] % 2:
        yield data[1:]
        return
    for call in data[1:].split(b"\n;\n"):
        properties, contents = [], []
        for line in call.split(b"\n"):
            key, _, value = line[2:].partition(b"=")
            (contents if line[:1] == b"c" else properties).append((key, value))
        yield b"".join(
            (
                struct.pack(">h", len(properties) % 32768),
                *(_counted(key) + _counted(value) for key, value in properties),
                struct.pack(">h", len(contents) % 32768),
                *(_counted(key) + _counted(value) for key, value in contents),
            )
        )


def _counted(text: bytes) -> bytes:
    return struct.pack(">i", len(text)) + text
