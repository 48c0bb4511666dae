from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from djl_trtllm.engines.openvino.link import Link


@pytest.fixture
def pair() -> Iterator[tuple[Link, Link]]:
    ours, theirs = (Link(s) for s in socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(pair: tuple[Link, Link]) -> None:
    a, b = pair
    sent = [b"", b"x", b"y" * 1000, bytes(range(256))]
    for message in sent:
        a.send(message)
    got: list[bytes] = []
    while len(got) < len(sent):
        got += b.receive(None) or []
    assert got == sent


def test_a_message_larger_than_any_buffer(pair: tuple[Link, Link]) -> None:
    a, b = pair
    sender = threading.Thread(target=a.send, args=(b"z" * 5_000_000,))
    sender.start()
    got: list[bytes] = []
    while not got:
        received = b.receive(0.5)
        assert received is not None
        got += received
    sender.join()
    assert got == [b"z" * 5_000_000]


def test_nothing_there_is_an_empty_list(pair: tuple[Link, Link]) -> None:
    began = time.monotonic()
    assert pair[0].receive(0) == []
    assert time.monotonic() - began < 0.1
    assert pair[0].receive(0.05) == []


def test_half_a_message_waits_for_the_rest() -> None:
    raw, theirs = socket.socketpair()
    with raw, theirs:
        link = Link(theirs)
        raw.sendall(b"\x05\x00\x00\x00he")
        assert link.receive(0.05) == []
        raw.sendall(b"llo\x01\x00\x00\x00!\x02")
        assert link.receive(0.05) == [b"hello", b"!"]
        assert link.receive(0) == []


@pytest.mark.parametrize("seconds", [None, 0, 1.0])
def test_the_other_end_gone_is_none(pair: tuple[Link, Link], seconds: float | None) -> None:
    pair[0].close()
    assert pair[1].receive(seconds) is None
    with pytest.raises(OSError):
        pair[1].send(b"x" * 100_000)


def test_shut_frees_a_blocked_sender(pair: tuple[Link, Link]) -> None:
    failed = threading.Event()

    def send() -> None:
        try:
            pair[0].send(b"x" * 10_000_000)
        except OSError:
            failed.set()

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.05)
    pair[0].shut()
    assert failed.wait(10)
    sender.join()
    pair[0].shut()
    assert pair[1].receive(0) is None or pair[1].receive(0) is None


def test_the_bell_ends_a_wait_that_has_no_end(pair: tuple[Link, Link]) -> None:
    ours, theirs = pair
    ring = ours.bell()
    threading.Timer(0.05, ring).start()
    assert ours.receive(None) == []
    theirs.send(b"news")
    assert ours.receive(None) == [b"news"]
    ring()
    theirs.send(b"both")
    assert [ours.receive(None), ours.receive(None)] == [[], [b"both"]]
    theirs.close()
    assert ours.receive(None) is None
