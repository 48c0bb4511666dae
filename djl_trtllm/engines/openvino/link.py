"""Messages over a local stream socket: four bytes of length, little endian, then the message.

One `Link` per end. One thread reads and one writes; they may be different ones.
"""

from __future__ import annotations

import functools
import os
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

_HEAD = struct.Struct("<I")
_CHUNK = 1 << 18


class Link:
    """One end of the connection. `receive` gives whole messages in order."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        # Not select(): it takes no descriptor above 1023, and a worker may have that many.
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._bell: int | None = None

    def send(self, message: bytes) -> None:
        """Send one message; blocks while the other end does not read. OSError when it is gone."""
        self._sock.sendall(_HEAD.pack(len(message)) + message)

    def receive(self, seconds: float | None) -> list[bytes] | None:
        """Every whole message that is here, waiting for news for at most `seconds`; None waits for ever.

        An empty list when nothing whole came in time, or the bell rang; None when the other end is gone.
        """
        if seconds and not self._poll.poll(seconds * 1000):
            return []
        if seconds is None and self._bell is not None and self._rang(self._bell):
            return []
        flags = 0 if seconds is None else socket.MSG_DONTWAIT
        try:
            while True:
                data = self._sock.recv(_CHUNK, flags)
                if not data:
                    return None
                self._buffer += data
                messages = self._whole_messages()
                if messages:
                    return messages
        except BlockingIOError:
            return []
        except OSError:
            return None

    def bell(self) -> Callable[[], None]:
        """Return what another thread may call to end a `receive` that waits for ever. Never closed, so made once."""
        self._bell, ring = os.pipe()
        self._poll.register(self._bell, select.POLLIN)
        return functools.partial(_ring, ring)

    def close(self) -> None:
        """Close this end; the other one reads end of file."""
        self._sock.close()

    def shut(self) -> None:
        """Make both ends read end of file, and a blocked `send` of another thread return."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _rang(self, bell: int) -> bool:
        rang = any(descriptor == bell for descriptor, _ in self._poll.poll())
        if rang:
            os.read(bell, _CHUNK)
        return rang

    def _whole_messages(self) -> list[bytes]:
        buffer, start, messages = self._buffer, 0, []
        while len(buffer) - start >= _HEAD.size:
            end = start + _HEAD.size + _HEAD.unpack_from(buffer, start)[0]
            if end > len(buffer):
                break
            messages.append(bytes(buffer[start + _HEAD.size : end]))
            start = end
        del buffer[:start]
        return messages


def _ring(bell: int) -> None:
    os.write(bell, b"!")
