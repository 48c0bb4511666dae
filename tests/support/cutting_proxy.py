"""A proxy on this machine that cuts connections in the middle of an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """`cuts` more connections end once they have brought `after` bytes back. `done` were cut."""

    url: str
    after: int
    cuts: int
    done: int = 0


@contextmanager
def proxy(target: str, after: int, cuts: int) -> Iterator[Proxy]:
    """Stand before the server at `target`."""
    place = urlsplit(target)
    listening = socket.create_server(("127.0.0.1", 0))
    made = Proxy(f"http://127.0.0.1:{listening.getsockname()[1]}", after, cuts)
    lock = threading.Lock()

    def carry(source: socket.socket, sink: socket.socket, *, counted: bool) -> None:
        brought = 0
        with suppress(OSError):
            while data := source.recv(1 << 14):
                brought += len(data)
                if counted and brought > made.after and _takes(made, lock):
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection((place.hostname or "", place.port or 80))
                for ends, counted in (((client, server), False), ((server, client), True)):
                    threading.Thread(
                        target=carry, args=ends, kwargs={"counted": counted}, daemon=True
                    ).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield made
    finally:
        listening.close()


def _takes(made: Proxy, lock: threading.Lock) -> bool:
    """Whether this connection is one of those to be cut."""
    with lock:
        if made.done >= made.cuts:
            return False
        made.done += 1
        return True
