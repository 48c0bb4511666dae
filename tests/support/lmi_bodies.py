"""LMI bodies for tests of the request schema, and the limits they are read under."""

from __future__ import annotations

import json

from djl_trtllm.core import Features, Limit, Limits, Request
from djl_trtllm.schemas.lmi import Defaults, parse

LIMITS = Limits(
    max_input_len=Limit(1024, "max_input_len"),
    max_output_len=Limit(512, "max_output_len"),
    max_sequence_len=Limit(2048, "the model"),
    max_batch_size=Limit(32, "max_rolling_batch_size"),
    kv_cache_tokens=Limit(100_000, "openvino_kv_cache"),
    vocab_size=Limit(49152, "the model"),
)


DEFAULTS = Defaults()
FEATURES = Features()


def read(
    body: bytes | str,
    content_type: str = "application/json",
    defaults: Defaults = DEFAULTS,
    features: Features = FEATURES,
    seed: int | None = 11,
) -> Request:
    """Parse a body under `LIMITS`."""
    data = body.encode() if isinstance(body, str) else body
    return parse(data, content_type, "", defaults, LIMITS, features, seed)


def body(**parameters: object) -> bytes:
    """Return a body with a prompt and these parameters."""
    return json.dumps({"inputs": "Once upon", "parameters": parameters}).encode()
