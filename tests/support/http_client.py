"""A client as users have one: one connection, chunks as they come."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Reply:
    """A finished HTTP reply. `chunks` are the pieces in the order they arrived."""

    status: int
    reason: str
    headers: Mapping[str, str]
    chunks: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.chunks)

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.text.splitlines()]


LOG_PROB = re.compile(r'"log_prob":[^,}]+')


def without_log_probs(text: str) -> str:
    """A jsonlines reply with its log-probs blanked: they are not the same bits alone and in a batch."""
    return LOG_PROB.sub('"log_prob":0', text)


def lmi(prompt: str, stream: bool = True, **parameters: object) -> dict[str, object]:
    """A body of LMI's schema."""
    return {"inputs": prompt, "parameters": parameters, "stream": stream}


def post(
    url: str,
    body: object,
    path: str = "/invocations",
    timeout: float = 120,
    begun: Callable[[], object] = lambda: None,
    **headers: str,
) -> Reply:
    """Send one request and read its reply to the end; `begun` is called at its first chunk."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **headers}
    with (
        httpx.Client(timeout=timeout, trust_env=False) as client,
        client.stream("POST", url + path, content=raw, headers=headers) as response,
    ):
        reply = Reply(response.status_code, response.reason_phrase, response.headers)
        for chunk in response.iter_text():
            if not reply.chunks:
                begun()
            reply.chunks.append(chunk)
        return reply


def post_all(url: str, bodies: Sequence[object], in_flight: int = 32) -> list[Reply]:
    """Send many requests, at most `in_flight` at a time; replies in the order of the bodies."""
    with ThreadPoolExecutor(in_flight) as pool:
        return list(pool.map(lambda body: post(url, body), bodies))
