"""All request schemas behind one call."""

from __future__ import annotations

from djl_trtllm.core import Features, Limits, Request
from djl_trtllm.schemas import lmi
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.text.template import ChatTemplate


class Schemas:
    """The request schemas of one model. `template` is None where the model has no chat template."""

    def __init__(
        self, defaults: Defaults, limits: Limits, features: Features, template: ChatTemplate | None
    ) -> None:
        self._defaults = defaults
        self._limits = limits
        self._features = features
        self._template = template

    def parse(self, body: bytes, content_type: str, accept: str, seed: int | None) -> Request:
        """Return the request in `body`; raise `InvalidRequest` with every problem, or `BodyTooLarge`."""
        return lmi.parse(body, content_type, accept, self._defaults, self._limits, self._features, seed)
