"""Connections wait for their place with nothing but their bytes; whatever is not plain is the server's at once."""

from __future__ import annotations

import pytest

from djl_trtllm.local.doorway import Door, Doorway
from djl_trtllm.local.gate import Gate, Place

BODY = b'{"inputs": "x"}'


def request(
    body: bytes = BODY,
    path: str = "/invocations",
    more: str = "",
    method: str = "POST",
    length: int | None = None,
) -> bytes:
    size = len(body) if length is None else length
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{more}\r\n".encode() + body


class Transport:
    def __init__(self) -> None:
        self.protocol: object = None
        self.closing = False
        self.reading = True

    def set_protocol(self, protocol: object) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Server:
    """Reads every head, unless it `refuses`."""

    place: Place | None = None
    refuses = False

    def __init__(self) -> None:
        self.received = b""
        self.used: Place | None = None

    def connection_made(self, transport: Transport) -> None:
        assert transport.protocol is self

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.refuses:
            self.used, self.place = self.place, None


class House:
    """A door before a gate, and the servers that were made."""

    def __init__(self, places: int, waiting: int = 2) -> None:
        self.door = Door(("/invocations",), 1000)
        self.gate = self.door.gate = Gate(places, waiting)
        self.servers: list[Server] = []

    def come(self, *data: bytes) -> Doorway:
        doorway = Doorway(self.door, self.make)
        self.transport = Transport()
        doorway.connection_made(self.transport)
        for piece in data:
            doorway.data_received(piece)
        return doorway

    def make(self) -> Server:
        self.servers.append(Server())
        return self.servers[-1]

    @property
    def free(self) -> int:
        return self.gate._free


def test_where_there_is_a_place_the_server_gets_it_with_the_request() -> None:
    house = House(1)
    house.come(request())
    (server,) = house.servers
    assert server.received == request()
    assert house.free == 0
    assert server.used is not None
    assert server.used.use()
    assert not server.used.use()
    server.used.give_back()
    assert house.free == 0
    house.gate.leave()
    assert house.free == 1


def test_others_wait_in_turn_and_get_what_came_meanwhile() -> None:
    house = House(0)
    house.come(request(b"first"))
    house.come(request(b"second"), b"more")
    assert house.servers == []
    house.gate.leave()
    house.gate.leave()
    assert [server.received for server in house.servers] == [request(b"first"), request(b"second") + b"more"]
    assert all(server.used is not None for server in house.servers)


def test_a_request_takes_its_turn_when_it_is_whole() -> None:
    house = House(0)
    whole = request(b"x" * 100)
    slow = house.come(whole[:-50])
    house.come(request(b"quick"))
    slow.data_received(whole[-50:-20])
    slow.data_received(whole[-20:])
    house.gate.leave()
    house.gate.leave()
    assert [server.received for server in house.servers] == [request(b"quick"), whole]


def test_who_finds_the_queue_full_is_the_server_s_without_a_place() -> None:
    house = House(0, waiting=1)
    house.come(request(b"waits"))
    house.come(request(b"too many"))
    (server,) = house.servers
    assert server.received == request(b"too many")
    assert server.used is None


def test_at_the_end_all_are_the_server_s_without_a_place() -> None:
    house = House(0)
    house.come(request(b"a"))
    house.come(request(b"b"))
    house.gate.close()
    house.come(request(b"c"))
    assert [server.received for server in house.servers] == [request(b"a"), request(b"b"), request(b"c")]
    assert not any(server.used for server in house.servers)


@pytest.mark.parametrize(
    "odd",
    [
        request(method="GET"),
        request(path="/ping"),
        request(path="/invocations?x=1"),
        request(more="Expect: 100-continue\r\n"),
        request(more="Transfer-Encoding: chunked\r\n"),
        request(more="UPGRADE: h2c\r\n"),
        request(length=1001),
        request()[:20],
        b"POST /invocations HTTP/1.1\r\nHost: x\r\n\r\n",
        b"nonsense",
    ],
)
def test_what_is_not_plain_does_not_wait_here(odd: bytes) -> None:
    house = House(0)
    house.come(odd)
    (server,) = house.servers
    assert server.received == odd
    assert server.used is None


def test_while_the_model_loads_nobody_waits_here() -> None:
    house = House(1)
    house.door.gate = None
    house.come(request())
    assert house.servers[0].used is None
    assert house.free == 1


def test_who_leaves_is_forgotten() -> None:
    house = House(0, waiting=1)
    house.come(request()).connection_lost(None)
    house.come(request(b"next"))
    house.gate.leave()
    assert [server.received for server in house.servers] == [request(b"next")]


def test_a_place_that_nobody_can_use_goes_to_the_next() -> None:
    house = House(0)
    house.come(request(b"going"))
    house.transport.closing = True
    house.come(request(b"next"))
    house.gate.leave()
    assert [server.received for server in house.servers] == [request(b"next")]


def test_a_place_comes_back_where_the_head_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "refuses", True)
    house = House(1)
    house.come(request())
    assert house.free == 1
    assert house.servers[0].place is None


def test_who_sends_much_more_while_waiting_is_not_read() -> None:
    house = House(0)
    house.come(request(), b"x" * 70_000)
    assert not house.transport.reading
    house.gate.leave()
    assert house.transport.reading
    assert house.servers[0].received == request() + b"x" * 70_000
