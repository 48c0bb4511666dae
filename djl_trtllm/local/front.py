"""The HTTP face: DJL-Serving's paths and manners, as observed on DJL-Serving 0.36.0, over one model.

/ping, /invocations, /predictions/<name>, /models/<name>/invoke and /v1/chat/completions are DJL-Serving's;
/v1/completions and /v1/models are this front's own additions. What a worker answers is passed on as it comes.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from djl_trtllm.local import http, replies
from djl_trtllm.local.doorway import Door
from djl_trtllm.local.engine import ChunkTimeout, Part, PredictError
from djl_trtllm.local.gate import Closing, Gate, Place, QueueFull
from djl_trtllm.local.pump import Pump, SlowReader, Stream

logger = logging.getLogger(__name__)

BODY_LIMIT = 64 * 2**20
"""Bytes of a request's body (DJL-Serving's default max_request_size)."""
_REQUEST_ID = re.compile(r"[!-~]{1,256}")
"""Ids that go back to the client and into logs; another one is replaced."""
HANDLER = "handler"
"""The property by which DJL would call another function of the worker, with the client's headers for its options. The
refusal is DJL-Serving's (0.25 to 0.36)."""
CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
UNAVAILABLE = "ServiceUnavailableException"
RETRY_LATER = {"retry-after": "5"}
STOPPING = (503, UNAVAILABLE, "The server is stopping; send the request again.", RETRY_LATER)
"""What is said to everybody who cannot be served because the server ends."""


class BodyTooLarge(Exception):
    """The body has more than BODY_LIMIT bytes."""


class Front:
    """The application and its state. `opened` makes it serve; until then the model is loading."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._gate: Gate | None = None
        self._pump: Pump | None = None
        self._created = int(time.time())
        self._stopping = False
        self._cutting = False
        self._answering: set[asyncio.Task[None]] = set()
        paths = ("/invocations", "/v1/chat/completions", "/v1/completions")
        own = (f"/predictions/{name}", f"/models/{name}/invoke")
        self.door = Door((*paths, *own), BODY_LIMIT)
        invoke = self.invoke
        self.app = Starlette(
            routes=[
                Route("/ping", self._ping),
                Route("/v1/models", self._models),
                *(Route(path, _Raw(invoke)) for path in paths),
                *(Route(path, _Raw(invoke)) for path in ("/predictions/{name}", "/models/{name}/invoke")),
            ],
            exception_handlers={404: self._not_found, 405: self._not_found},
        )

    def opened(self, gate: Gate, pump: Pump) -> None:
        """Serve from now on."""
        self._gate, self._pump, self.door.gate = gate, pump, gate

    def stopping(self) -> None:
        """Turn away whoever waits or comes; running streams go on."""
        self._stopping = True
        if self._gate is not None:
            self._gate.close()

    @property
    def answering(self) -> frozenset[asyncio.Task[None]]:
        """The requests that are being answered, or about to be."""
        return frozenset(self._answering)

    def cut(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """End requests at once: with 503 where nothing was sent, else by cutting the connection."""
        self._cutting = True
        for task in tasks:
            task.cancel()

    async def invoke(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one inference request."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._answering.add(task)
        response = _Response(scope, receive, send)
        place: Place | None = scope.get("extensions", {}).get(http.PLACE)
        try:
            await self._invoke(response, Request(scope, receive), place)
        except asyncio.CancelledError:
            if not self._cutting:
                raise
            await response.refuse(*STOPPING)
        finally:
            if place is not None:
                place.give_back()
            self._answering.discard(task)

    async def _invoke(self, response: _Response, request: Request, place: Place | None) -> None:
        given = request.headers.get("x-request-id", "")
        request_id = response.request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        name = request.path_params.get("name", self.name)
        if name != self.name:
            await response.refuse(404, "ModelNotFoundException", f"Model not found: {name}")
            return
        try:
            stream = await self._admit(request, request_id, place)
        except ClientDisconnect:
            return
        except _Refused as refused:
            await response.whole(refused.part)
            return
        await _answer(response, stream)

    async def _admit(self, request: Request, request_id: str, place: Place | None) -> Stream:
        """Read the body, wait for a place and start the stream. Raises _Refused, or ClientDisconnect."""
        properties = _input_properties(request, request_id)
        if any(name.lower() == HANDLER for name in properties):
            raise _Refused(400, "BadRequestException", "The handler can't be overridden in a request.")
        try:
            body = await _body(request)
        except BodyTooLarge:
            raise _Refused(
                413, "RequestEntityTooLargeException", f"The body has more than {BODY_LIMIT} bytes."
            ) from None
        gate, pump = self._gate, self._pump
        if self._stopping:
            raise _Refused(*STOPPING)
        if gate is None or pump is None:
            raise _Refused(503, UNAVAILABLE, f"Model {self.name} is loading.", RETRY_LATER)
        try:
            if place is None or not place.use():
                await gate.enter()
        except QueueFull:
            message = f"Worker queue capacity exceeded for model: {self.name}"
            raise _Refused(503, "WlmCapacityException", message, {"retry-after": "1"}) from None
        except Closing:
            raise _Refused(*STOPPING) from None
        if await request.is_disconnected():
            gate.leave()
            raise ClientDisconnect
        stream = Stream(body, properties, gate.leave)
        pump.start(stream)
        return stream

    async def _ping(self, _request: Request) -> Response:
        """Answer 200 always; the status tells a loading model from one that serves, as DJL-Serving does it."""
        status = "Healthy" if self._gate is not None and not self._stopping else "Unhealthy"
        return JSONResponse({self.name: {"status": status}})

    async def _models(self, _request: Request) -> Response:
        model = {"id": self.name, "object": "model", "created": self._created, "owned_by": "djl_trtllm"}
        return JSONResponse({"object": "list", "data": [model]})

    async def _not_found(self, _request: Request, _problem: Exception) -> Response:
        kind, message = (
            "ResourceNotFoundException",
            "Requested resource is not found, please refer to API document.",
        )
        return Response(replies.error(404, kind, message).data, 404, media_type="application/json")


class _Refused(Exception):
    """The server itself answers."""

    def __init__(
        self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.part = replies.error(status, kind, message, headers)


class _Raw:
    """Makes a method an ASGI application: Starlette lets every HTTP method through to it, as DJL-Serving does."""

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._call(scope, receive, send)  # type: ignore[misc]


async def _body(request: Request) -> bytes:
    """Return the body, never holding more than BODY_LIMIT bytes of it."""
    if int(request.headers.get("content-length") or 0) > BODY_LIMIT:
        raise BodyTooLarge
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > BODY_LIMIT:
            raise BodyTooLarge
        pieces.append(piece)
    # DJL-Serving parses a form, `curl -d` without a Content-Type, into fields: the handler's data is empty.
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return b""
    return b"".join(pieces)


def _input_properties(request: Request, request_id: str) -> dict[str, str]:
    """Return what the worker gets beside the body: headers, custom attributes one by one, the request's id."""
    found = dict(request.headers)
    for pair in found.pop(CUSTOM_ATTRIBUTES, "").split(";"):
        name, _, value = pair.partition("=")
        if name.strip():
            found[name.strip()] = value.strip()
    found["requestId"] = request_id
    return found


class _Response:
    """Sends one HTTP response. `started` once the head is out and no other answer is possible."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._extensions = scope.get("extensions", {})
        self._receive, self._send, self.request_id = receive, send, ""
        self.started = False

    async def head(self, part: Part) -> None:
        """Send the status line and headers that `part` asks for. Raises ValueError, see `replies.head`."""
        found = replies.head(part, self.request_id)
        if found.reason and http.REASON in self._extensions:
            self._extensions[http.REASON](found.reason)
        self.started = True
        await self._send({"type": "http.response.start", "status": found.status, "headers": found.headers})

    async def body(self, part: Part) -> None:
        """Send one chunk."""
        data = b"" if part.status == 204 else part.data
        await self._send({"type": "http.response.body", "body": data, "more_body": not part.last})

    async def whole(self, part: Part) -> None:
        """Send a response of one part."""
        await self.head(part)
        await self.body(part)

    async def refuse(
        self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send an error of the server's own, or cut the connection when it is too late for one."""
        if self.started:
            await self.reset()
        else:
            await self.whole(replies.error(status, kind, message, headers))

    def abort(self) -> None:
        """Cut the connection."""
        if http.RESET in self._extensions:
            self._extensions[http.RESET]()

    async def reset(self) -> None:
        """Cut the connection and wait until the server has noticed."""
        self.abort()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _answer(response: _Response, stream: Stream) -> None:
    """Pass a stream on. A stream that stalls, and a client that does, ends in a connection reset."""
    stream.cut = response.abort
    try:
        part = await stream.next()
        await response.head(part)
        await response.body(part)
        while not part.last:
            part = await stream.next()
            await response.body(part)
    except PredictError as problem:
        await response.refuse(problem.status, problem.kind, problem.message)
    except (ChunkTimeout, SlowReader):
        await response.reset()
    except ValueError as problem:  # from replies.head
        await response.refuse(500, "IllegalArgumentException", str(problem))
    except Exception:
        logger.exception("A request failed in the front.")
        await response.refuse(
            500, "InternalServerException", "The request failed in the server; see its log."
        )
