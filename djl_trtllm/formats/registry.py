"""Response formats by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from djl_trtllm.core import Request
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.base import Response
from djl_trtllm.formats.chat_stream import ChatEventsResponse, ChatLinesResponse
from djl_trtllm.formats.chat_whole import ChatResponse
from djl_trtllm.formats.chosen import Chosen
from djl_trtllm.formats.completions import completions
from djl_trtllm.formats.custom import CustomFormatter
from djl_trtllm.formats.custom_format import CustomResponse
from djl_trtllm.formats.json_format import JsonResponse
from djl_trtllm.formats.jsonlines_format import JsonLinesResponse, SseResponse
from djl_trtllm.formats.text_format import text
from djl_trtllm.formats.tgi import tgi
from djl_trtllm.formats.vocabulary import Vocabulary

_RESPONSES: Mapping[str, Callable[[Request, Vocabulary], Response]] = {
    "json": JsonResponse,
    "jsonlines": JsonLinesResponse,
    "sse": SseResponse,
    "json_chat": ChatResponse,
    "jsonlines_chat": ChatLinesResponse,
    "sse_chat": ChatEventsResponse,
    "completions": completions,
    "tgi": tgi,
    "text": text,
}

NAMES: tuple[str, ...] = tuple(_RESPONSES)
"""The formats a request or an option can name."""


class Writers:
    """Makes the responses of one model. Made once; what it knows of tokens is shared by every request.

    `token_text` and `token_bytes` are the text and the bytes of one token by itself. `formatter` is the model's own,
    which writes what has the option's text, with a colon in it, as its format.
    """

    def __init__(
        self,
        special_ids: frozenset[int],
        token_text: Callable[[int], str],
        token_bytes: Callable[[int], bytes],
        formatter: CustomFormatter | None = None,
    ) -> None:
        self._formatter = formatter
        self._vocabulary = Vocabulary(special_ids, token_text, token_bytes)

    def make(self, request: Request) -> Response:
        """Return the response in `request.output_format`; raise InvalidRequest if there is no such format."""
        if self._formatter is not None and ":" in request.output_format:
            return CustomResponse(request, self._vocabulary, self._formatter)
        make = _RESPONSES.get(request.output_format)
        if make is None:
            raise InvalidRequest(
                f"The output format {request.output_format[:40]!r} is not known; it is one of {', '.join(NAMES)}."
            )
        response = make(request, self._vocabulary)
        return Chosen(request, response) if request.sequences > request.n else response
