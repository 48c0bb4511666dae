"""A vocabulary, requests and endings for the tests of formats."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import Alternatives, FinishReason, Prompt, Request, SamplingParams, Usage
from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.formats.base import Ending, Piece, Response
from djl_trtllm.formats.registry import Writers
from djl_trtllm.formats.vocabulary import Vocabulary

PROMPT = 'Say "hi"\n'
TEXTS = {
    1: "Say",
    2: "</s>",
    3: ' "hi"',
    4: "\n",
    5: "a",
    6: " b",
    7: "é",
    8: "<tool_call>",
    9: "<|im_end|>",
    10: "[ARGS]",
}
SPECIAL = frozenset({2, 9, 10})


def token_text(token: int) -> str:
    return TEXTS.get(token, f"t{token}")


def token_bytes(token: int) -> bytes:
    return token_text(token).encode()


VOCABULARY = Vocabulary(SPECIAL, token_text, token_bytes)


def request(output_format: str, *, prompts: Sequence[Prompt] = (), **changes: object) -> Request:
    fields: dict[str, object] = {
        "prompts": prompts or (Prompt(PROMPT, (1, 3, 4)),),
        "sampling": SamplingParams(5),
        "output_format": output_format,
    }
    fields["sequences"] = changes.get("n", 1)
    return Request(**(fields | changes))  # type: ignore[arg-type]


def response(output_format: str, **changes: object) -> Response:
    return Writers(SPECIAL, token_text, token_bytes).make(request(output_format, **changes))  # type: ignore[arg-type]


def ending(
    text: str = "a é",
    reason: FinishReason = FinishReason.EOS,
    *,
    tokens: Sequence[int] = (5, 7, 2),
    texts: Sequence[str] = ("a", " é", ""),
    logprobs: Sequence[float] | None = None,
    tops: Sequence[Alternatives] | None = None,
    prompt: Prompt | None = None,
    **more: object,
) -> Ending:
    prompt = prompt or Prompt(PROMPT, (1, 3, 4))
    fields: dict[str, object] = {"usage": Usage(len(prompt.ids), len(tokens))} | more
    return Ending(reason, text, prompt, tokens=tokens, texts=texts, logprobs=logprobs, tops=tops, **fields)  # type: ignore[arg-type]


def failed(error: DjlTrtllmError, text: str = "a é", **more: object) -> Ending:
    return ending(text, FinishReason.ERROR, error=error, **more)  # type: ignore[arg-type]


def whole(output: Response, *endings: Ending) -> str:
    """What a response says when nothing came before the endings: each brings all its tokens."""
    writers = [output.writer(index) for index in range(len(endings))]
    data = "".join(
        writer.end(Piece(e.tokens, e.texts, e.logprobs, e.tops) if e.tokens else None, e)
        for writer, e in zip(writers, endings, strict=True)
    )
    return data + output.close(endings)
