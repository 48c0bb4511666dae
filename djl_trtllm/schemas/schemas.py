"""All request schemas behind one call."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from djl_trtllm.core import Features, Limits, Request
from djl_trtllm.errors import BodyTooLarge, InvalidRequest
from djl_trtllm.schemas import arrived, careful, chat, completions, lmi, parameters, sizes
from djl_trtllm.schemas.arrived import Arrived
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.rules import rules
from djl_trtllm.schemas.site import Room, Site
from djl_trtllm.schemas.usual import UsualRequests
from djl_trtllm.text.template import ChatTemplate

MAX_BODY_BYTES = 20 * 1024 * 1024
"""DJL's own limit for one message between Java and Python."""

_HEAD = 256
_JSON = "application/json"
_TYPE = re.compile(r"[a-z0-9.+/-]{1,60}")


@dataclass(frozen=True, slots=True)
class _Schema:
    """One schema. `key` is the name that only its bodies have at their top, in the order of `_ALL`."""

    key: str
    struct: type[msgspec.Struct]
    decode: Callable[[bytes], Any]
    request: Callable[[Arrived[Any], Site], Request]
    unsupported: Mapping[str, str]

    @property
    def token(self) -> bytes:
        """The key as bodies spell it; inside of a text its quotation marks would be escaped."""
        return b'"' + self.key.encode() + b'"'


_LMI = _Schema("inputs", lmi.Body, lmi.decode, lmi.request, parameters.UNSUPPORTED)
_CHAT = _Schema("messages", chat.Body, chat.decode, chat.request, chat.UNSUPPORTED)
_COMPLETIONS = _Schema(
    "prompt", completions.Body, completions.decode, completions.request, completions.UNSUPPORTED
)
_TOKENS = tuple((schema.token, schema) for schema in (_LMI, _CHAT, _COMPLETIONS))


class Schemas:
    """The request schemas of one model. `template` is None where the model has no chat template.

    `decode` turns token ids into text, to repeat a prompt that came as ids; without it that is refused.
    """

    def __init__(
        self,
        defaults: Defaults,
        limits: Limits,
        features: Features,
        template: ChatTemplate | None,
        decode: Callable[[Sequence[int]], str] | None = None,
        room: Room | None = None,
    ) -> None:
        self._site = Site(defaults, limits, features, template, decode, room)
        self._usual = UsualRequests()

    def parse(self, body: bytes, content_type: str, accept: str, seed: int | None) -> Request:
        """Return the request in `body`, the ids of its prompts still empty where the client sent none.

        `seed` is the server's, for a request without its own. Raises `BodyTooLarge`, or `InvalidRequest` with every
        problem. What was ignored or changed is in `Request.warnings`.
        """
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge(
                f"The body has {len(body)} bytes; the limit is 20 MiB ({MAX_BODY_BYTES} bytes)."
            )
        if content_type != _JSON and content_type[:10].lower() == "text/plain":
            return self._request(_LMI, Arrived(lmi.Body(inputs=_plain(body)), accept, seed))
        if len(body) > sizes.LARGE:
            return self._request(*self._read(body, content_type, accept, seed))
        known = self._usual.find(body, accept, seed)
        if known is not None:
            return known
        schema, read = self._read(body, content_type, accept, seed)
        request = self._request(schema, read)
        if schema is _LMI:
            self._usual.remember(body, accept, request, seeded=lmi.seeded(read))
        return request

    def _request(self, schema: _Schema, read: Arrived[Any]) -> Request:
        request = schema.request(read, self._site)
        if read.problems:
            raise InvalidRequest(*read.problems)
        return request

    def _read(
        self, body: bytes, content_type: str, accept: str, seed: int | None
    ) -> tuple[_Schema, Arrived[Any]]:
        likely = _likely(body)
        if len(body) > sizes.LARGE:
            _check_type(content_type, body)
            sizes.check(body, self._site.room)
        try:
            given = likely.decode(body)
        except careful.UNREADABLE:
            return self._read_again(likely, body, content_type, accept, seed)
        return likely, arrived.read_whole(body, given, accept, seed)

    def _read_again(
        self, likely: _Schema, body: bytes, content_type: str, accept: str, seed: int | None
    ) -> tuple[_Schema, Arrived[Any]]:
        """Read what is wrong, or not what it looked like."""
        _check_type(content_type, body)
        fields = careful.read_object(body)
        schema = next((one for one in (_CHAT, _COMPLETIONS) if one.key in fields), _LMI)
        if schema is not likely:
            with contextlib.suppress(*careful.UNREADABLE):
                return schema, arrived.read_whole(body, schema.decode(body), accept, seed)
        moved = rules(parameters.Parameters) if schema is _LMI else ()
        reader = careful.Reader(schema.unsupported, moved)
        refuse = self._site.defaults.unknown_parameters == "reject"
        read = arrived.read_by_field(body, fields, schema.struct, reader, accept, seed, refuse_unknown=refuse)
        return schema, read


def _likely(body: bytes) -> _Schema:
    """Return the schema that a body probably has, without reading it: only a good body of it can be decoded so."""
    head = body[:_HEAD]
    for token, schema in _TOKENS:
        if token in head:
            return schema
    return next((schema for token, schema in _TOKENS if token in body), _LMI)


def _plain(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not UTF-8 (byte {error.start}).") from None


def _check_type(content_type: str, body: bytes) -> None:
    """Refuse a body that is no JSON object and does not say that it is one."""
    if body[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return
    kind = content_type.partition(";")[0].strip().lower()
    if kind and "json" not in kind:
        named = f" {kind}" if _TYPE.fullmatch(kind) else ""
        raise InvalidRequest(f"The content type{named} is not taken: send application/json or text/plain.")
