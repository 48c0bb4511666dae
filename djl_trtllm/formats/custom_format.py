"""Responses that a model author's formatter writes."""

from __future__ import annotations

import itertools
import logging
import traceback
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat

from djl_trtllm.core import Alternatives, Prompt, Request
from djl_trtllm.errors import InternalError
from djl_trtllm.formats.base import NO_TOKEN, Ending, Piece, Writer
from djl_trtllm.formats.custom import CustomFormatter
from djl_trtllm.formats.text_output import TextGenerationOutput, TextInput, Token, TokenSequence
from djl_trtllm.formats.token_json import padded
from djl_trtllm.formats.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_IDS = itertools.count()


class CustomResponse:
    """Calls a formatter once for every token of every sequence, as DJL does, and sends what it returns.

    The last call has `finished`, with an empty token of id -1 where the ending brought none, as DJL's errors do.
    Where a formatter raises, or returns something else than a text, `InternalError` is raised: the response ends there.
    """

    __slots__ = (
        "_formatter",
        "_n",
        "_of",
        "_outputs",
        "_prompt_logprobs",
        "_running",
        "_silent",
        "_vocabulary",
        "content_type",
        "keeps_tokens",
    )

    def __init__(self, request: Request, vocabulary: Vocabulary, formatter: CustomFormatter) -> None:
        self.content_type = formatter.content_type
        self.keeps_tokens = False
        self._silent = True
        self._formatter = formatter
        self._vocabulary = vocabulary
        self._n, self._of = request.n, request.sequences
        self._prompt_logprobs: dict[int, Sequence[float | None]] = {}
        self._running = [request.sequences] * len(request.prompts)
        number = next(_IDS)
        self._outputs = [
            self._output(place, prompt, TextInput(number, request, prompt, formatter.function))
            for place, prompt in enumerate(request.prompts)
        ]

    def _output(self, place: int, prompt: Prompt, text_input: TextInput) -> TextGenerationOutput:
        def prompt_tokens() -> list[Token]:
            logprobs = padded(self._prompt_logprobs.get(place))
            return [*map(self.own, prompt.ids, logprobs)]

        return TextGenerationOutput(text_input, self._of, prompt_tokens)

    def writer(self, index: int) -> Writer:
        """Return the writer of one sequence."""
        return CustomWriter(self, self._outputs[index // self._of], index // self._of, index % self._of)

    def close(self, endings: Sequence[Ending]) -> str:  # noqa: ARG002
        """Return a line end where the formatter had nothing more to say."""
        return "\n" if self._silent else ""

    def token(self, token: int, text: str, log_prob: float | None) -> Token:
        """Return a token as formatters see it."""
        return Token(token, text, log_prob, token < 0 or token in self._vocabulary.special_ids or None)

    def own(self, token: int, log_prob: float | None) -> Token:
        """Return a token that adds nothing to the answer, with its own text."""
        return self.token(token, self._vocabulary.text(token), log_prob)

    def call(self, output: TextGenerationOutput) -> str:
        """Return what the formatter says of an output now. Raises `InternalError` where that is no text."""
        try:
            said = self._formatter.function(output)
        except Exception as error:
            raise self._failed(f"raised {type(error).__name__}", error) from None
        if not isinstance(said, str):
            raise self._failed(f"returned a {type(said).__name__} instead of a text", None)
        return said

    def ended(self, place: int, ending: Ending) -> str:
        """Take the end of a sequence; return what the formatter says."""
        output = self._outputs[place]
        if ending.prompt_logprobs is not None:
            self._prompt_logprobs[place] = ending.prompt_logprobs
        self._running[place] -= 1
        output.finished = not self._running[place] or ending.error is not None
        if output.finished and self._of > 1:
            likely = sorted(output.sequences, key=lambda index: -output.sequences[index].cumulative_log_prob)
            output.best_sequence_index = likely[0]
            output.other_sequences_indices = likely[1 : self._n]
        said = self.call(output)
        self._silent = not said
        return said

    def _failed(self, what: str, error: Exception | None) -> InternalError:
        frame = traceback.extract_tb(error.__traceback__)[-1] if error is not None else None
        # Never the exception's text: it may hold what was generated.
        where = f" in line {frame.lineno} of {frame.name}" if frame is not None else ""
        log.error("the output formatter %s %s%s", self._formatter.name, what, where)
        return InternalError(f"The output formatter of this model {what}.")


class CustomWriter:
    """Feeds one sequence's tokens to the formatter."""

    __slots__ = ("_output", "_place", "_response", "_sequence")

    def __init__(
        self, response: CustomResponse, output: TextGenerationOutput, place: int, index: int
    ) -> None:
        self._response = response
        self._output = output
        self._place = place
        self._sequence: TokenSequence = output.sequences[index]

    def write(self, piece: Piece) -> str:
        """Return what the formatter says after each of the piece's tokens."""
        return "".join([self._go_on(*row) for row in _rows(piece)])

    def line(self, token: int, text: str, log_prob: float | None) -> str:
        """Return what the formatter says after the token."""
        return self._go_on(token, text, log_prob, ())

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return what the formatter says at the end."""
        rows = [*_rows(piece)] if piece is not None else []
        last = rows.pop() if rows and ending.error is None else (NO_TOKEN, "", -1.0, ())
        data = "".join([self._go_on(*row) for row in rows])
        token = self._response.token(*last[:3])
        token.error_msg = str(ending.error) if ending.error is not None else None
        self._append(token, last[3], is_last=True)
        self._sequence.finish_reason = ending.reason.value
        self._sequence.stop_reason = ending.stop
        return data + self._response.ended(self._place, ending)

    def _go_on(self, token: int, text: str, log_prob: float | None, tops: Alternatives) -> str:
        self._append(self._response.token(token, text, log_prob), tops, is_last=False)
        return self._response.call(self._output)

    def _append(self, token: Token, tops: Alternatives, *, is_last: bool) -> None:
        sequence = self._sequence
        token.request_id = self._output.request_id
        sequence.set_next_token(token, is_last)
        if token.log_prob is not None and token.id != NO_TOKEN:
            sequence.cumulative_log_prob += token.log_prob
        if tops:
            sequence.top_tokens.append([self._response.own(top, log_prob) for top, log_prob in tops])


def _rows(piece: Piece) -> Iterator[tuple[int, str, float | None, Alternatives]]:
    alternatives: Iterable[Alternatives] = chain(piece.tops or (), repeat(()))
    return zip(piece.tokens, piece.texts, padded(piece.logprobs), alternatives, strict=False)
