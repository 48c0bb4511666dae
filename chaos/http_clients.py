"""HTTP clients that cost next to nothing, so that thousands of them can wait, leave or be refused."""

from __future__ import annotations

import json
import resource
import socket
import struct
import urllib.parse
from dataclasses import dataclass

PATIENCE = 120.0
_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


def many() -> None:
    """Let this process, and those that it starts, have as many open files as they may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@dataclass(slots=True)
class Waiting:
    """A request that was sent. `size` is its bytes, head and body."""

    connection: socket.socket
    size: int

    def answer(self) -> tuple[int, bytes]:
        """Return the status and everything that was answered. Raises OSError where it was not answered whole."""
        self.connection.settimeout(PATIENCE)
        received = b""
        while not whole(received):
            data = self.connection.recv(65536)
            if not data:
                raise ConnectionError(f"The answer ends after {len(received)} bytes.")
            received += data
        self.connection.close()
        return int(received.split(b" ", 2)[1]), received

    def leave(self, *, rudely: bool) -> None:
        """Close the connection, with a reset where it is done rudely."""
        if rudely:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def send(url: str, body: object) -> Waiting:
    """Send one request on a connection of its own, and do not wait for an answer."""
    address = urllib.parse.urlsplit(url)
    data = json.dumps(body).encode()
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: {address.netloc}\r\nUser-Agent: chaos\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    ).encode()
    connection = socket.create_connection((address.hostname or "", address.port or 80), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(head + data)
    return Waiting(connection, len(head) + len(data))


def whole(received: bytes) -> bool:
    """Whether an answer is all there."""
    head, found, body = received.partition(_HEAD_END)
    if not found:
        return False
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return body.endswith(_LAST_CHUNK)
    _, _, length = lower.partition(b"content-length:")
    return len(body) >= int(length.split(b"\r\n")[0] or 0)
