"""The body of an answer to a request that failed before its first text, in whatever format it asked for."""

from __future__ import annotations

from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.formats.quoting import quote


def error_body(error: DjlTrtllmError) -> str:
    """Return the JSON object: error (the text), code (the HTTP status), error_code (stable), retryable."""
    return "{" + error_members(error) + "}"


def error_members(error: DjlTrtllmError) -> str:
    """Members that describe an error, the same in all of LMI's formats."""
    retryable = "true" if error.retryable else "false"
    return (
        f'"error":{quote(str(error))},"code":{error.status},'
        f'"error_code":{quote(error.code)},"retryable":{retryable}'
    )
