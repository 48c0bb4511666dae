"""The error tree. Each class owns its HTTP status, its stable code and whether a retry can help.

    DjlTrtllmError
    ├── RequestError             one request's fault or fate; answered to that client alone
    │   ├── InvalidRequest       400  the body, a parameter or the prompt is wrong: all problems at once
    │   ├── BodyTooLarge         413  more bytes than the server takes
    │   ├── Busy                 503  no room now; retry after a while
    │   ├── EngineRestarting     503  the engine broke while this request ran; it is being reopened
    │   ├── Stopping             503  this server ends; another one, or its successor, takes the request
    │   ├── GenerationFailed     500  the engine gave this one request up
    │   └── InternalError        500  a defect of ours
    └── LoadError                     the model cannot be served; shown in the server's log and by its front
        ├── OptionsError         every wrong option, with key, value, source, what is allowed
        ├── ModelNotFound        nothing where the model should be
        ├── UnsupportedModel     found, but no runtime here can take it
        ├── CompileError         the build failed or was killed; nothing half-written stays
        ├── ArtifactError        a compiled model is not what its manifest says
        ├── QualityError         a quantised model is not as close to its source as option.quality_floor asks
        ├── RankError            a rank failed or did not answer in time
        └── OutOfMemory          507  the machine has too little memory; names the options that reduce it

A message is one or more plain sentences for the client: never a prompt, a token, a path of this machine inside
a `RequestError`, nor a secret. `wire_text` is what fits on DJL's wire: DJL-Serving 0.29 and later puts it into the
HTTP status line, where a line break gives a 500 and non-Latin text is lost (observed on 0.36.0).
"""

from __future__ import annotations

from collections.abc import Sequence

WIRE_TEXT_LIMIT = 300
"""Characters of an error text on the wire, the "and N more" included."""


class DjlTrtllmError(Exception):
    """Root of the tree. `problems` are whole sentences; `str()` joins them."""

    status = 500
    code = "internal_error"
    retryable = False
    retry_after: int | None = None

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems: Sequence[str] = problems or (self.code,)

    def __str__(self) -> str:
        return " ".join(self.problems)

    def wire_text(self) -> str:
        """Return what fits on DJL's wire, see `wire_line`."""
        return wire_line(self.problems)


def wire_line(sentences: Sequence[str]) -> str:
    """One ASCII line of at most `WIRE_TEXT_LIMIT` characters: as many sentences as fit, then "and N more"."""
    lines = [_one_ascii_line(sentence) for sentence in sentences]
    whole = " ".join(lines)
    if len(whole) <= WIRE_TEXT_LIMIT:
        return whole
    for kept in range(len(lines) - 1, 0, -1):
        text = f"{' '.join(lines[:kept])} And {len(lines) - kept} more."
        if len(text) <= WIRE_TEXT_LIMIT:
            return text
    tail = f"... And {len(lines) - 1} more." if len(lines) > 1 else "..."
    return lines[0][: WIRE_TEXT_LIMIT - len(tail)] + tail


def _one_ascii_line(text: str) -> str:
    visible = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(visible.encode("ascii", "replace").decode("ascii").split())


class RequestError(DjlTrtllmError):
    """Ends one request. Never another one."""


class InvalidRequest(RequestError):
    """The client sent something wrong; sending it again cannot help."""

    status, code = 400, "invalid_request"


class BodyTooLarge(RequestError):
    """The body has more bytes than the server takes."""

    status, code = 413, "body_too_large"


class Busy(RequestError):
    """No room for the request now."""

    status, code, retryable, retry_after = 503, "busy", True, 1


class EngineRestarting(RequestError):
    """The engine broke under this request, or is still being reopened."""

    status, code, retryable, retry_after = 503, "engine_restarting", True, 5


class Stopping(RequestError):
    """The server was told to end."""

    status, code, retryable, retry_after = 503, "stopping", True, 5


class GenerationFailed(RequestError):
    """The engine ended this one request without finishing it."""

    status, code = 500, "generation_failed"


class InternalError(RequestError):
    """A defect of ours, met by this request."""

    status, code = 500, "internal_error"


class LoadError(DjlTrtllmError):
    """The model cannot be served."""

    status, code = 503, "load_failed"


class OptionsError(LoadError):
    """One or more options are wrong; one problem per option."""

    code = "invalid_options"


class ModelNotFound(LoadError):
    """The model is not where the options say."""

    code = "model_not_found"


class UnsupportedModel(LoadError):
    """The model was found, but cannot be served by the chosen runtime."""

    code = "unsupported_model"


class CompileError(LoadError):
    """The build failed. Nothing of it will be loaded."""

    code = "compile_failed"


class ArtifactError(LoadError):
    """A compiled model does not match its manifest or this machine."""

    code = "bad_artifact"


class QualityError(LoadError):
    """A quantised model agrees with its source less than option.quality_floor asks, or was not compared."""

    code = "below_quality_floor"


class RankError(LoadError):
    """A rank failed, or did not answer within the deadline."""

    code = "rank_failed"


class OutOfMemory(LoadError):
    """Memory ran out. DJL reads status 507 as such (python engine, v0.27 to v0.36)."""

    status, code = 507, "out_of_memory"
