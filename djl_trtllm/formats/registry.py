"""Response formats by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from djl_trtllm.core import Request
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.base import Writer
from djl_trtllm.formats.json_format import JsonWriter
from djl_trtllm.formats.jsonlines_format import JsonLinesWriter
from djl_trtllm.formats.token_json import TokenJson

_WRITERS: Mapping[str, Callable[[Request, TokenJson], Writer]] = {
    "json": JsonWriter,
    "jsonlines": JsonLinesWriter,
}

NAMES: tuple[str, ...] = tuple(_WRITERS)
"""The formats a request or an option can name."""


class Writers:
    """Makes the writers of one model. Made once; what it knows of tokens is shared by every request."""

    def __init__(self, special_ids: frozenset[int]) -> None:
        self._tokens = TokenJson(special_ids)

    def make(self, request: Request) -> Writer:
        """Return a writer for `request.output_format`; raise InvalidRequest if there is no such format."""
        make = _WRITERS.get(request.output_format)
        if make is None:
            raise InvalidRequest(
                f"The output format {request.output_format[:40]!r} is not known; it is one of {', '.join(NAMES)}."
            )
        return make(request, self._tokens)
