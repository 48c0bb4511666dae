"""The body of an answer to a request that failed before its first text, in whatever format it asked for."""

from __future__ import annotations

from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.formats.base import error_members


def error_body(error: DjlTrtllmError) -> str:
    """Return the JSON object: error (the text), code (the HTTP status), error_code (stable), retryable."""
    return "{" + error_members(error) + "}"
