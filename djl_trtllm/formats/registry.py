"""Response formats by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from djl_trtllm.core import Request
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.base import Response
from djl_trtllm.formats.chosen import Chosen
from djl_trtllm.formats.json_format import JsonResponse
from djl_trtllm.formats.jsonlines_format import JsonLinesResponse, SseResponse
from djl_trtllm.formats.vocabulary import Vocabulary

_RESPONSES: Mapping[str, Callable[[Request, Vocabulary], Response]] = {
    "json": JsonResponse,
    "jsonlines": JsonLinesResponse,
    "sse": SseResponse,
}

NAMES: tuple[str, ...] = tuple(_RESPONSES)
"""The formats a request or an option can name."""


class Writers:
    """Makes the responses of one model. Made once; what it knows of tokens is shared by every request.

    `token_text` and `token_bytes` are the text and the bytes of one token by itself.
    """

    def __init__(
        self,
        special_ids: frozenset[int],
        token_text: Callable[[int], str],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        self._vocabulary = Vocabulary(special_ids, token_text, token_bytes)

    def make(self, request: Request) -> Response:
        """Return the response in `request.output_format`; raise InvalidRequest if there is no such format."""
        make = _RESPONSES.get(request.output_format)
        if make is None:
            raise InvalidRequest(
                f"The output format {request.output_format[:40]!r} is not known; it is one of {', '.join(NAMES)}."
            )
        response = make(request, self._vocabulary)
        return Chosen(request, response) if request.sequences > request.n else response
