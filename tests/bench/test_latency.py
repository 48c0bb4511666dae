from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench import calibration, client, latency


def test_the_summary_of_two_streams() -> None:
    found = latency.summary(10.0, [[10.1, 10.2, 10.4], [10.3, 10.4, 10.5]])
    assert found["rate"] == pytest.approx(6 / 0.5)
    assert (found["ttft_p50"], found["ttft_p99"]) == (pytest.approx(100), pytest.approx(300))
    assert (found["gap_p50"], found["gap_p99"]) == (pytest.approx(100), pytest.approx(200))


@contextmanager
def server(status: bytes, pieces: list[bytes]) -> Iterator[str]:
    """An HTTP server that answers every request with these pieces, cut where they are cut."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                self.wfile.write(piece)
                time.sleep(0.01)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_address[1]}"
        finally:
            serving.shutdown()
            thread.join()


def test_tokens_are_lines_wherever_the_pieces_are_cut() -> None:
    pieces = [b'c\r\n{"a":"}\\n"}\n\r\n', b'8\r\n{"a":1}', b'\n\r\n8\r\n{"b":2}\n', b"\r\n0\r\n\r\n"]
    with server(b"200 OK", pieces) as url:
        assert client.run(url, [b"{}", b"{}"], 3)["rate"] > 0
        with pytest.raises(AssertionError, match="brought 3 tokens instead of 4"):
            client.run(url, [b"{}"], 4)


def test_an_error_is_told() -> None:
    with server(b"503 Busy", []) as url, pytest.raises(AssertionError, match=r"HTTP/1\.1 503 Busy"):
        client.run(url, [b"{}"], 1)


def test_the_calibration_loop_is_the_middle_of_its_times() -> None:
    ticks = iter([0.0, 0.005, 1.0, 1.001, 2.0, 2.002, 3.0, 3.009, 4.0, 4.003])
    assert calibration.milliseconds(lambda: next(ticks)) == pytest.approx(3.0)
    assert calibration.loop() == calibration.loop()
