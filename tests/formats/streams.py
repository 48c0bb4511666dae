"""Reading back what a streaming response sent, piece by piece, as a client puts it together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from djl_trtllm.core import FinishReason
from djl_trtllm.formats.base import Piece, Response
from tests.formats.helpers import ending, token_text

Tokens = Sequence[tuple[int, str]]


def streamed(output: Response, pieces: Sequence[Tokens], reason: FinishReason = FinishReason.EOS) -> str:
    """What one sequence's pieces come to, the last one with the ending; a piece of one token takes the quick way."""
    writer = output.writer(0)
    data = ""
    for number, piece in enumerate(pieces[:-1]):
        if number and len(piece) == 1:
            data += writer.line(*piece[0], None)
        else:
            data += writer.write(_piece(piece))
    tokens = [token for piece in pieces for token in piece]
    last = ending_of(tokens, reason)
    data += writer.end(_piece(pieces[-1]) if pieces else None, last)
    return data + output.close([last])


def ending_of(tokens: Tokens, reason: FinishReason = FinishReason.EOS) -> Any:
    ids, texts = [token for token, _ in tokens], [text for _, text in tokens]
    return ending("".join(texts), reason, tokens=ids, texts=texts)


def events(data: str) -> list[Any]:
    """The objects of a stream of events; `[DONE]` stays a string."""
    assert data.endswith("\n\n")
    found: list[Any] = []
    for event in data[:-2].split("\n\n"):
        assert event.startswith("data:")
        assert "\n" not in event
        payload = event[5:].strip()
        found.append(payload if payload == "[DONE]" else json.loads(payload, parse_constant=_refuse))
    return found


def lines(data: str) -> list[Any]:
    """The objects of a stream of lines."""
    assert data.endswith("\n")
    return [json.loads(line, parse_constant=_refuse) for line in data.splitlines()]


def gathered(chunks: Sequence[Any]) -> tuple[dict[str, Any], str]:
    """The message and the finish reason that a chat's chunks come to."""
    message: dict[str, Any] = {"content": ""}
    finish = ""
    for chunk in chunks:
        (choice,) = chunk["choices"]
        assert not finish
        delta = choice["delta"]
        message["content"] += delta.get("content") or ""
        for call in delta.get("tool_calls", ()):
            assert call["index"] == len(message.setdefault("tool_calls", []))
            message["tool_calls"].append(call["function"])
        finish = choice["finish_reason"] or ""
    return message, finish


def words(text: str) -> list[tuple[int, str]]:
    """A text as tokens of a character each."""
    return [(100 + number, character) for number, character in enumerate(text)]


def tokens_of(*ids: int) -> list[tuple[int, str]]:
    return [(token, token_text(token)) for token in ids]


def _piece(tokens: Tokens) -> Piece:
    return Piece([token for token, _ in tokens], [text for _, text in tokens], None)


def _refuse(constant: str) -> None:
    raise AssertionError(constant)
