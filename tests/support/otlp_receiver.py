"""A collector of spans as OTLP over HTTP sends them: http/protobuf, POST /v1/traces."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Span:
    """One span; ids in hex, times in nanoseconds since 1970."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    begun: int
    over: int
    status: int
    attributes: dict[str, Any]


@dataclass
class Receiver:
    """What has come. `status` is what is answered from now on; `raw` is every body, decompressed."""

    url: str = ""
    status: int = 200
    spans: list[Span] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)
    refused: int = 0

    def named(self, beginning: str) -> list[Span]:
        """The spans whose name begins so, in the order in which they began."""
        return sorted((s for s in self.spans if s.name.startswith(beginning)), key=lambda s: s.begun)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Receive on a port of its own while this lasts."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if found.status == 200 and self.path == "/v1/traces":
                found.raw.append(body)
                _take(found, body)
            else:
                found.refused += 1
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, name="otlp-receiver")
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _take(found: Receiver, body: bytes) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for batch in ExportTraceServiceRequest.FromString(body).resource_spans:
        found.resource = _values(batch.resource.attributes)
        found.spans += [
            Span(
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                span.kind,
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                span.status.code,
                _values(span.attributes),
            )
            for scope in batch.scope_spans
            for span in scope.spans
        ]


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)
