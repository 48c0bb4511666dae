"""What DJL's Java RollingBatch does with a handler, in Python: for tests that need no JVM.

The ordered list of requests, positional items, removal after `last`, an error item's code, and `reset` after a
failed batch are as read in RollingBatch.java 0.25 to 0.36. Bytes are really encoded and decoded.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from djl_python.inputs import Input
from djl_python.outputs import Output


def decode_item(data: bytes) -> dict[str, str]:
    """The (key, value) strings of one reply item, with whichever length width this djl_python writes."""
    width = 2 if len(Output.binary_encode({"": ""})) == 6 else 4
    (count,) = struct.unpack_from(">h", data)
    at, strings = 2, []
    for _ in range(2 * count):
        length = int.from_bytes(data[at : at + width], "big", signed=True)
        at += width
        strings.append(data[at : at + length].decode("utf-8"))
        at += length
    assert at == len(data), "bytes after the last string"
    return dict(zip(strings[::2], strings[1::2], strict=True))


@dataclass
class Client:
    """One request as its sender sees it."""

    body: bytes
    headers: dict[str, str]
    chunks: list[str] = field(default_factory=list)
    response_headers: dict[str, str] = field(default_factory=dict)
    code: int | None = None
    error: str = ""
    done: bool = False
    known: bool = False

    @property
    def text(self) -> str:
        return "".join(self.chunks)

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.text.splitlines()]


class JavaSide:
    """Lists requests, calls the handler, gives each client its items."""

    def __init__(self, handle: Callable[[Input], Output]) -> None:
        self._handle = handle
        self.listed: list[Client] = []
        self.reset = False
        self.steps = 0

    def send(self, body: object, **headers: str) -> Client:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        client = Client(raw, {"Content-Type": "application/json", **headers})
        self.listed.append(client)
        return client

    def step(self) -> None:
        inputs = Input()
        inputs.properties["batch_size"] = str(len(self.listed))
        if self.reset:
            inputs.properties["reset_rollingbatch"] = "true"
            self.reset = False
        for index, client in enumerate(self.listed):
            prefix = f"batch_{index:03d}."
            if client.known:
                inputs.content.add(key=prefix + "data", value=b"")
                continue
            for name, value in client.headers.items():
                inputs.properties[prefix + name] = value
            inputs.content.add(key=prefix + "data", value=bytearray(client.body))
            inputs.content.add(key=prefix + "seed", value=bytearray(str(1000 + index).encode()))
        output = self._handle(inputs)
        self.steps += 1
        assert output.code == 200
        assert output.content.size() == len(self.listed), "an item per listed request"
        for index, client in enumerate(self.listed):
            self._give(client, decode_item(bytes(output.content.value_at(index))))
            if not client.chunks or len(client.chunks) == 1:
                self._headers(client, index, output.properties)
        self.listed = [client for client in self.listed if not client.done]

    def fail(self) -> None:
        """The worker answered nothing: Java forgets the batch and says so with the next one."""
        self.listed = []
        self.reset = True

    def run(self, clients: Iterable[Client] | None = None, most: int = 10_000) -> None:
        """Step until the given clients, or all, are done."""
        wanted = list(clients) if clients is not None else list(self.listed)
        for _ in range(most):
            if all(client.done for client in wanted):
                return
            self.step()
        raise AssertionError(f"not done after {most} steps")

    def _give(self, client: Client, item: dict[str, str]) -> None:
        client.known = True
        client.done = item["last"].lower() == "true"
        if "code" in item:
            assert client.done, "a code only comes with last"
            assert not client.chunks, "a code never comes after text"
            client.code, client.error = int(item["code"]), item["error"]
        else:
            assert item["data"] or not client.done, "the last item carries text"
            if item["data"]:
                client.chunks.append(item["data"])

    def _headers(self, client: Client, index: int, properties: dict[str, str]) -> None:
        prefix = f"batch_{index}_"
        for name, value in properties.items():
            if name.startswith(prefix):
                client.response_headers[name[len(prefix) :]] = value
