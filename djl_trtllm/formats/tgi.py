"""The format `tgi`: what Text Generation Inference answers (its router 2.x and 3.x, as huggingface_hub reads it)."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import Request
from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.formats.base import NO_TOKEN, Ending, Piece, Response, Writer
from djl_trtllm.formats.quoting import array, quote
from djl_trtllm.formats.silent import SILENT
from djl_trtllm.formats.tgi_details import TgiDetails
from djl_trtllm.formats.tgi_tokens import TgiTokens
from djl_trtllm.formats.token_json import padded
from djl_trtllm.formats.vocabulary import Vocabulary


class TgiResponse:
    """`[{"generated_text": ..., "details": {...}}]`, an object for each prompt; details if asked for or if n > 1."""

    __slots__ = ("_details", "_n", "content_type", "keeps_tokens")

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        self.content_type = "application/json"
        self.keeps_tokens = request.details or request.n > 1
        self._n = request.n
        self._details = TgiDetails(request, vocabulary.tgi)

    def writer(self, index: int) -> Writer:  # noqa: ARG002
        """Return one that says nothing."""
        return SILENT

    def close(self, endings: Sequence[Ending]) -> str:
        """Return the list, or the error."""
        for ending in endings:
            if ending.error is not None:
                return "{" + tgi_error(ending.error) + "}"
        n = self._n
        return array(self._object(endings[at : at + n]) for at in range(0, len(endings), n))

    def _object(self, endings: Sequence[Ending]) -> str:
        best, *others = sorted(endings, key=lambda ending: (-ending.score, ending.index))
        members = f'"generated_text":{self._details.text(best)}'
        if self.keeps_tokens:
            members += f',"details":{self._details.of_whole(best, others)}'
        return "{" + members + "}"


class TgiWriter:
    """The events of one sequence, a token each, counted from 1. The last has the whole text, and details if asked.

    `first` is what every event begins with, up to its number.
    """

    __slots__ = ("_count", "_details", "_first", "_tokens")

    def __init__(self, tokens: TgiTokens, details: TgiDetails, first: str) -> None:
        self._count = 0
        self._first = first
        self._tokens = tokens
        self._details = details

    def write(self, piece: Piece) -> str:
        """Return the piece's events."""
        if piece.tops is None and len(piece.tokens) == 1:
            return self.line(piece.tokens[0], piece.texts[0], piece.logprobs[0] if piece.logprobs else None)
        return "".join([event + _GOES_ON for event in self._events(piece)])

    def line(self, token: int, text: str, log_prob: float | None) -> str:
        """Return the token's event."""
        self._count = count = self._count + 1
        return f'{self._first}{count},"token":{self._tokens.whole(token, text, log_prob)}{_GOES_ON}'

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the remaining events; an error is one of its own, after which there is no text."""
        events = self._events(piece) if piece is not None else []
        if ending.error is not None:
            broken = f"data:{{{tgi_error(ending.error)}}}\n\n"
            return "".join([event + _GOES_ON for event in events]) + broken
        if not events:
            events = self._events(Piece((NO_TOKEN,), ("",), None))
        last = events.pop()
        details = self._details.of_stream(ending) if self._details.asked else "null"
        closing = f',"generated_text":{self._details.text(ending)},"details":{details}}}\n\n'
        return "".join([event + _GOES_ON for event in events]) + last + closing

    def _events(self, piece: Piece) -> list[str]:
        first, begin = self._first, self._count + 1
        self._count += len(piece.tokens)
        tokens = map(self._tokens.whole, piece.tokens, piece.texts, padded(piece.logprobs))
        events = [f'{first}{index},"token":{token}' for index, token in enumerate(tokens, begin)]
        if piece.tops is None:
            return events
        shown = [*map(self._tokens.alternatives, piece.tops)]
        shown += ["[]"] * (len(events) - len(shown))
        return [f'{event},"top_tokens":{tops}' for event, tops in zip(events, shown, strict=True)]


class TgiStreamResponse:
    """Server-Sent Events, without a `[DONE]`: the last event is the one with `generated_text`.

    Where there are several sequences, which TGI never streams, `sequence` comes first and says which one it is.
    """

    __slots__ = ("_details", "_several", "_tokens", "content_type", "keeps_tokens")

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        self.content_type = "text/event-stream"
        self.keeps_tokens = False
        self._several = request.n * len(request.prompts) > 1
        self._tokens = vocabulary.tgi
        self._details = TgiDetails(request, vocabulary.tgi)

    def writer(self, index: int) -> Writer:
        """Return the writer of one sequence."""
        first = f'data:{{"sequence":{index},"index":' if self._several else 'data:{"index":'
        return TgiWriter(self._tokens, self._details, first)

    def close(self, endings: Sequence[Ending]) -> str:  # noqa: ARG002
        """Return nothing: the sequence has closed itself."""
        return ""


_GOES_ON = ',"generated_text":null,"details":null}\n\n'


def tgi(request: Request, vocabulary: Vocabulary) -> Response:
    """Return the response to a request that streams or does not."""
    return (TgiStreamResponse if request.stream else TgiResponse)(request, vocabulary)


def tgi_error(error: DjlTrtllmError) -> str:
    """Return the members of TGI's error object; `error_type` is one that huggingface_hub knows."""
    kind = "validation" if error.status < 500 else "overloaded" if error.code == "busy" else "generation"
    return f'"error":{quote(str(error))},"error_type":"{kind}"'
