"""What DJL's Java side does with a rolling batch, in this process: it lists requests and hands each its replies.

The ordered list, replies by position, removal after the last one, and a list that is forgotten and said to be void
in the next step, are as read in RollingBatch.java, 0.25 to 0.36. Bytes on DJL's wire are left out, so that a
selftest needs no djl_python.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from djl_trtllm.formats.base import NO_TOKEN
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.rolling_batch.loop import Step
from djl_trtllm.rolling_batch.slot import Reply
from djl_trtllm.selftest.verdict import CheckFailed

if TYPE_CHECKING:
    from djl_trtllm.errors import DjlTrtllmError
    from djl_trtllm.service import Service

HEADERS = {"Content-Type": "application/json"}


class Client:
    """One request as its sender sees it."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.data = ""
        self.error: DjlTrtllmError | None = None
        self.done = False

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines that came so far."""
        return [json.loads(line) for line in self.data.splitlines()]

    @property
    def tokens(self) -> list[int]:
        """The token ids that came so far; raises `CheckFailed` for an answer that was an error.

        An ending that brought no token of its own has a line whose token is none.
        """
        if self.error is not None:
            raise CheckFailed(f"a request was answered with an error: {self.error}")
        return [line["token"]["id"] for line in self.lines if line["token"]["id"] != NO_TOKEN]

    @property
    def text(self) -> str:
        """The whole text as the last line has it."""
        if self.error is not None:
            raise CheckFailed(f"a request was answered with an error: {self.error}")
        return str(self.lines[-1]["generated_text"])

    @property
    def reason(self) -> str:
        """Why the answer ended, as its details say."""
        return str(self.lines[-1].get("details", {}).get("finish_reason"))


class Clients:
    """All clients of one service. `patience`: seconds that a wait may last at most."""

    def __init__(self, service: Service, patience: float) -> None:
        self._service = service
        self._patience = patience
        self._listed: list[Client] = []
        self._fresh: list[Client] = []
        self._void = False

    def send(self, prompt: str, **parameters: object) -> Client:
        """List a request that streams JSON lines."""
        return self.send_body(
            json.dumps({"inputs": prompt, "parameters": parameters, "stream": True}).encode()
        )

    def send_body(self, body: bytes) -> Client:
        """List a request with any body."""
        client = Client(body)
        self._fresh.append(client)
        return client

    def step(self) -> None:
        """Make one step, as DJL makes them without a pause."""
        self._listed += self._fresh
        arrivals = [Arrival(client.body, HEADERS, 1000 + i) for i, client in enumerate(self._fresh)]
        self._fresh = []
        replies = self._service.step(Step(len(self._listed), arrivals, self._void))
        self._void = False
        if len(replies) != len(self._listed):
            raise CheckFailed(f"a step with {len(self._listed)} requests had {len(replies)} replies")
        for client, reply in zip(self._listed, replies, strict=True):
            if isinstance(reply, str):
                client.data += reply
            elif isinstance(reply, Reply):
                client.data += reply.data
                client.error = reply.error
                client.done = reply.last
        self._listed = [client for client in self._listed if not client.done]

    def finish(self, clients: Iterable[Client] | None = None) -> None:
        """Step until these clients, or all, have their answers. Raises `CheckFailed` when that takes too long."""
        wanted = [*self._listed, *self._fresh] if clients is None else list(clients)
        end = time.monotonic() + self._patience
        while not all(client.done for client in wanted):
            if time.monotonic() > end:
                left = sum(not client.done for client in wanted)
                raise CheckFailed(f"{left} of {len(wanted)} requests had no end after {self._patience:.0f} s")
            self.step()

    def forget(self) -> None:
        """Do what DJL does after a step that failed: drop everything, and say so with the next step."""
        self._listed, self._fresh = [], []
        self._void = True
