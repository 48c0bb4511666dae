"""docs/responses.md shows what the formats really write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from djl_trtllm.core import FinishReason, OpenAI, Prompt, Request, SamplingParams, ToolChoice, Usage
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.formats.base import Ending, Piece
from djl_trtllm.formats.custom import load
from djl_trtllm.formats.errors import error_body
from djl_trtllm.formats.registry import NAMES, Writers
from tests.support import djl_python

DOCS = Path(__file__).resolve().parents[2] / "docs" / "responses.md"

TEXTS = {1: "The", 2: " sea", 3: " is", 4: " blue", 5: ".", 6: "</s>", 7: " deep"}
PROMPT = Prompt("The sea is", (1, 2, 3))
SAMPLING = SamplingParams(8, logprobs=True)
WRITERS = Writers(frozenset({6}), TEXTS.__getitem__, lambda token: TEXTS[token].encode())
TOKENS, SAID, LOGPROBS = [4, 5, 6], [" blue", ".", ""], [-0.25, -0.5, 0.0]
ERROR = EngineRestarting("The engine broke and is being reopened; send the request again.")


def openai(kind: str, **more: object) -> OpenAI:
    return OpenAI(f"{kind}-7d3f", 1767225600, "my-model", **more)  # type: ignore[arg-type]


def made(name: str, **changes: object) -> Request:
    return Request(prompts=(PROMPT,), sampling=SAMPLING, output_format=name, **changes)  # type: ignore[arg-type]


def said(request: Request, *, broken: bool = False, words: list[str] | None = None) -> str:
    """What a response is when its tokens come one by one; a `broken` one ends with an error after the first."""
    response = WRITERS.make(request)
    writer = response.writer(0)
    tokens, texts, logprobs = TOKENS, SAID, LOGPROBS
    if words is not None:
        tokens, texts, logprobs = [4] * len(words), words, [-0.25] * len(words)
    if broken:
        tokens, texts, logprobs = tokens[:1], texts[:1], logprobs[:1]
    data = ""
    for token, text, log_prob in zip(tokens[:-1], texts[:-1], logprobs[:-1], strict=True):
        data += writer.write(Piece([token], [text], [log_prob]))
    ending = Ending(
        FinishReason.ERROR if broken else FinishReason.EOS,
        "".join(texts),
        PROMPT,
        Usage(3, len(tokens)),
        tokens,
        texts,
        logprobs,
        ERROR if broken else None,
    )
    data += writer.end(Piece(tokens[-1:], texts[-1:], logprobs[-1:]), ending)
    return data + response.close([ending])


CALL = ['<tool_call>{"name": "weather",', ' "arguments": {"city": "Oslo"}}', "</tool_call>"]
TOOLS = {"tools": ToolChoice.AUTO}


def examples() -> Iterator[tuple[str, str]]:
    yield "json", said(made("json"))
    yield "json with details", said(made("json", details=True))
    yield "jsonlines", said(made("jsonlines", details=True))
    yield "jsonlines error", said(made("jsonlines"), broken=True).splitlines()[-1]
    yield "sse", said(made("sse"))
    yield "tgi", said(made("tgi", details=True))
    yield "tgi stream", said(made("tgi", details=True, stream=True))
    yield "tgi error", said(made("tgi", stream=True), broken=True).split("\n\n")[1]
    yield "json_chat", said(made("json_chat", openai=openai("chatcmpl")))
    yield "json_chat calls", said(made("json_chat", openai=openai("chatcmpl", **TOOLS)), words=CALL)
    yield "sse_chat", said(made("sse_chat", openai=openai("chatcmpl", include_usage=True)))
    yield "sse_chat error", said(made("sse_chat", openai=openai("chatcmpl")), broken=True).split("\n\n")[-3]
    yield "completions", said(made("completions", openai=openai("cmpl", logprobs=True)))
    yield "completions stream", said(made("completions", stream=True, openai=openai("cmpl")))
    yield "text error", said(made("text", stream=True), broken=True)
    yield "error body", error_body(ERROR)


@pytest.mark.parametrize(("name", "data"), [*examples()], ids=[name for name, _ in examples()])
def test_examples(name: str, data: str) -> None:
    docs = DOCS.read_text(encoding="utf-8")
    before, call, behind = data.strip().partition('"id":"call_')
    assert before in docs
    assert not call or behind[24:] in docs


def test_the_formatter_works(tmp_path: Path) -> None:
    djl_python.importable()
    pytest.importorskip("djl_python.output_formatter")
    source = DOCS.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    (tmp_path / "model.py").write_text(source)
    formatter = load("words", tmp_path)
    writers = Writers(frozenset({6}), TEXTS.__getitem__, lambda token: TEXTS[token].encode(), formatter)
    response = writers.make(made("model.py:words"))
    assert response.content_type == "application/jsonlines"
    assert response.writer(0).line(4, " blue", None) == '{"word": " blue", "done": false}\n'


def test_every_format_has_its_row() -> None:
    docs = DOCS.read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in docs for name in NAMES)
