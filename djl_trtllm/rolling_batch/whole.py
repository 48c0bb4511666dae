"""Whole answers, for `option.rolling_batch=disable`: the loop driven by ourselves until every request has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.rolling_batch.loop import RollingBatch, Step
from djl_trtllm.rolling_batch.slot import Reply


@dataclass(slots=True)
class Answer:
    """One request's complete answer: its text and Content-Type, or the error it ended with before any text.

    `warnings` say what was changed or ignored in the request.
    """

    text: str = ""
    content_type: str = ""
    error: DjlTrtllmError | None = None
    warnings: list[str] = field(default_factory=list)


def answer(loop: RollingBatch, arrivals: Sequence[Arrival]) -> list[Answer]:
    """Run `arrivals` to their ends, in one batch, and return their answers in order."""
    answers = [Answer() for _ in arrivals]
    listed = answers
    step = Step(loop.active + len(arrivals), arrivals)
    while listed:
        replies = loop.step(step)
        unfinished = []
        for whole, reply in zip(listed, replies, strict=True):
            if isinstance(reply, str):
                whole.text += reply
            elif reply is not None:
                whole.text += reply.data
                whole.content_type = reply.content_type or whole.content_type
                whole.error = reply.error
                whole.warnings += reply.warnings
            if not (isinstance(reply, Reply) and reply.last):
                unfinished.append(whole)
        listed = unfinished
        step = Step(len(listed))
    return answers
