"""What goes wrong in handling one request is that request's error, whatever it was."""

from __future__ import annotations

import logging

from djl_trtllm.errors import DjlTrtllmError, InternalError, RequestError
from djl_trtllm.telemetry.logs import describe

log = logging.getLogger(__name__)


def as_request_error(error: BaseException, doing: str) -> DjlTrtllmError:
    """Return what to tell the client; a defect is described in the log, without a word of the request."""
    if isinstance(error, RequestError):
        # Where it was raised concerns nobody, and would keep what all those frames hold: bodies and prompts.
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    log.error("%s failed: %s", doing, describe(error))
    return InternalError(f"The server failed while {doing}.")
