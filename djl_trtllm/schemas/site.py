"""What is the same for every request of one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from djl_trtllm.core import Features, Limits
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.text.template import ChatTemplate


class Room(Protocol):
    """What prompts there is room for, whatever they say (`rolling_batch.prompts`)."""

    def refusal(self, name: str, *, text_bytes: int = 0, tokens: int = 0) -> InvalidRequest | None:
        """Say that a prompt of at least so many bytes of UTF-8, or tokens, is too long; None where it may fit."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """The operator's decisions, the engine's limits and abilities, and what is known of the model's text.

    `template` is None where the model has no chat template. `decode` turns token ids into text; None where that is
    not known. `room` is None where prompts are not looked at before they are read.
    """

    defaults: Defaults
    limits: Limits
    features: Features
    template: ChatTemplate | None = None
    decode: Callable[[Sequence[int]], str] | None = None
    room: Room | None = None
