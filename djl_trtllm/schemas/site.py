"""What is the same for every request of one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from djl_trtllm.core import Features, Limits
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.text.template import ChatTemplate


@dataclass(frozen=True, slots=True)
class Site:
    """The operator's decisions, the engine's limits and abilities, and what is known of the model's text.

    `template` is None where the model has no chat template. `decode` turns token ids into text; None where that is
    not known.
    """

    defaults: Defaults
    limits: Limits
    features: Features
    template: ChatTemplate | None = None
    decode: Callable[[Sequence[int]], str] | None = None
