"""What a model author's output formatter is given: the attributes of DJL's `TextGenerationOutput`.

The names are those of `djl_python.request_io` in DJL-Serving 0.29 to 0.36, so that a formatter written for it works as
it is. Objects, not JSON: a formatter reads them between two tokens and may keep nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from djl_trtllm.core import Prompt, Request


class Token:
    """One token: `text` is what it adds to the answer. `log_prob` is None where the engine gave none."""

    __slots__ = ("error_msg", "id", "log_prob", "request_id", "special_token", "text")

    def __init__(
        self,
        id: int,  # noqa: A002 - the name is DJL's
        text: str,
        log_prob: float | None = None,
        special_token: bool | None = None,
        error_msg: str | None = None,
    ) -> None:
        self.id = id
        self.text = text
        self.log_prob = log_prob
        self.special_token = special_token
        self.error_msg = error_msg
        self.request_id: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the token as LMI's formats show it."""
        shown: dict[str, Any] = {"id": self.id, "text": self.text, "log_prob": self.log_prob}
        if self.special_token:
            shown["special_token"] = True
        if self.error_msg:
            shown["error_msg"] = self.error_msg
        return shown

    def as_tgi_dict(self) -> dict[str, Any]:
        """Return the token under TGI's names."""
        shown: dict[str, Any] = {"id": self.id, "text": self.text, "logprob": self.log_prob}
        if self.special_token:
            shown["special"] = True
        return shown


class TokenSequence:
    """One generated sequence, as far as it is. `get_next_token` walks through it once."""

    __slots__ = (
        "_last",
        "_next",
        "_next_top",
        "cumulative_log_prob",
        "finish_reason",
        "stop_reason",
        "tokens",
        "top_tokens",
    )

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.top_tokens: list[list[Token]] = []
        self.cumulative_log_prob = 0.0
        self.finish_reason: str | None = None
        self.stop_reason: str | None = None
        self._next = self._next_top = 0
        self._last: int | None = None

    def set_next_token(self, token: Token, is_last_token: bool = False) -> None:
        """Append a token."""
        self.tokens.append(token)
        if is_last_token:
            self._last = len(self.tokens) - 1

    def has_next_token(self) -> bool:
        """Whether there is a token that was not walked over yet."""
        return self._next < len(self.tokens)

    def get_next_token(self) -> tuple[Token | None, int, bool, bool]:
        """Return the next token, its position, whether it is the first, whether it is the last."""
        at = self._next
        if at >= len(self.tokens):
            return None, 0, False, False
        self._next = at + 1
        return self.tokens[at], at, at == 0, at == self._last

    def get_last_token(self) -> Token | None:
        """Return the last token, None while more can come."""
        return None if self._last is None else self.tokens[self._last]

    def has_next_top_tokens(self) -> bool:
        """Whether there are alternatives that were not walked over yet."""
        return self._next_top < len(self.top_tokens)

    def get_next_top_tokens(self) -> list[Token] | None:
        """Return the alternatives of the next token."""
        at = self._next_top
        if at >= len(self.top_tokens):
            return None
        self._next_top = at + 1
        return self.top_tokens[at]


class TextInput:
    """The request: `input_text` is the prompt; `parameters` are under LMI's names, with their defaults filled in."""

    __slots__ = (
        "adapters",
        "client_request_id",
        "input_ids",
        "input_text",
        "output_formatter",
        "parameters",
        "request_id",
        "server_parameters",
        "tgi_compat",
        "tokenizer",
    )

    def __init__(self, request_id: int, request: Request, prompt: Prompt, output_formatter: Any) -> None:
        self.request_id = request_id
        self.client_request_id: str | None = None
        self.output_formatter = output_formatter
        self.parameters = lmi_parameters(request)
        self.server_parameters = dict(self.parameters)
        self.tgi_compat = False
        self.input_text = prompt.text
        self.input_ids = prompt.ids
        self.adapters: Any = None
        self.tokenizer: Any = None


class TextGenerationOutput:
    """The answer to one prompt, as far as it is. `finished` is true in the last call only."""

    __slots__ = (
        "_prompt_tokens",
        "best_sequence_index",
        "finished",
        "input",
        "other_sequences_indices",
        "request_id",
        "sequences",
    )

    def __init__(
        self, text_input: TextInput, sequences: int, prompt_tokens: Callable[[], list[Token]]
    ) -> None:
        self.request_id = text_input.request_id
        self.input = text_input
        self.finished = False
        self.sequences: dict[int, TokenSequence] = {index: TokenSequence() for index in range(sequences)}
        self.best_sequence_index = 0
        self.other_sequences_indices: list[int] = []
        self._prompt_tokens: list[Token] | Callable[[], list[Token]] = prompt_tokens

    @property
    def prompt_tokens_details(self) -> list[Token]:
        """The prompt's tokens. Made when they are looked at: a prompt may have very many."""
        if callable(self._prompt_tokens):
            self._prompt_tokens = self._prompt_tokens()
        return self._prompt_tokens

    def get_tokens_as_dict(self, sequence_index: int = 0) -> list[dict[str, Any]]:
        """Return the tokens of a sequence as LMI's formats show them."""
        return _shown(self.sequences[sequence_index].tokens)

    def get_prompt_tokens_as_dict(self) -> list[dict[str, Any]]:
        """Return the prompt's tokens as LMI's formats show them."""
        return _shown(self.prompt_tokens_details)

    def get_top_tokens_as_dict(self, sequence_index: int = 0) -> list[list[dict[str, Any]]]:
        """Return the alternatives of a sequence's tokens as LMI's formats show them."""
        return [_shown(tokens) for tokens in self.sequences[sequence_index].top_tokens]


def lmi_parameters(request: Request) -> dict[str, Any]:
    """Return what LMI's `parameters` of a request come to."""
    sampling = request.sampling
    known: Mapping[str, Any] = {
        "max_new_tokens": sampling.max_new_tokens,
        "do_sample": sampling.do_sample,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "repetition_penalty": sampling.repetition_penalty,
        "seed": sampling.seed,
        "stop_sequences": list(request.stops),
        "stream": request.stream,
        "details": request.details,
        "return_full_text": request.return_full_text,
        "decoder_input_details": sampling.prompt_logprobs,
        "top_n_tokens": sampling.top_logprobs,
        "n": request.n,
        "best_of": request.sequences,
    }
    return dict(known)


def _shown(tokens: Sequence[Token]) -> list[dict[str, Any]]:
    return [token.as_dict() for token in tokens]
