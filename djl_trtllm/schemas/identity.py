"""What a response of OpenAI's API says of itself."""

from __future__ import annotations

import secrets
import time
from typing import Any

from djl_trtllm.core import OpenAI
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.openai_parameters import OpenAIParameters


def response_of(prefix: str, given: OpenAIParameters, defaults: Defaults, **more: Any) -> OpenAI:
    """Return the identity of the response to a request, with an id that nobody can guess."""
    options = given.stream_options
    return OpenAI(
        id=prefix + secrets.token_hex(16),
        created=int(time.time()),
        model=given.model or defaults.model,
        include_usage=options is not None and options.include_usage is True,
        **more,
    )
