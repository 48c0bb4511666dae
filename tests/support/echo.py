"""Talks to the echo model through the local front, as a client that may leave things open."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from pathlib import Path

from tests.support.server import Server

ECHO = Path(__file__).parent / "echo_model"
JSON = {"Content-Type": "application/json"}

open_at_the_end: list[http.client.HTTPConnection | http.client.HTTPResponse] = []


def close_connections() -> None:
    """Close what the last test has opened."""
    while open_at_the_end:
        open_at_the_end.pop().close()


def connect(server: Server) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=30)
    open_at_the_end.append(connection)
    return connection


def send(
    server: Server, order: object, path="/invocations", method="POST", headers=JSON
) -> http.client.HTTPResponse:
    body = order if isinstance(order, bytes) else json.dumps(order).encode()
    connection = connect(server)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    open_at_the_end.append(response)
    return response


def items(*texts: str, delay: float = 0.0) -> dict:
    return {"items": [{"data": text, "delay": delay} for text in texts]}


def start(server: Server, order: object) -> http.client.HTTPConnection:
    connection = connect(server)
    connection.request("POST", "/invocations", json.dumps(order), JSON)
    return connection
