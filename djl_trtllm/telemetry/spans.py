"""What spans say: the names of OpenTelemetry's GenAI conventions (1.37), and vLLM's for latencies; never a text.

The model's name is the server's own, not the one in a client's body. Times are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from djl_trtllm.telemetry.origin import legible
from djl_trtllm.telemetry.requests import RequestSummary

Value = str | int | float | bool | list[str]

_REASONS = {"eos_token": "stop", "stop_sequence": "stop"}
_SERVER_ERROR = 500


def name(request: RequestSummary, model: str) -> str:
    """Return the span's name: the operation and the model."""
    return f"{_operation(request)} {model}"


def attributes(request: RequestSummary, model: str) -> Mapping[str, Value]:
    """Return what is known of a request that ended."""
    found: dict[str, Value] = {
        "gen_ai.operation.name": _operation(request),
        "gen_ai.provider.name": "djl_trtllm",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.request.id": legible(request.origin[0]) or str(request.id),
        "gen_ai.usage.input_tokens": request.prompt_tokens,
        "gen_ai.usage.output_tokens": request.generated_tokens,
        "gen_ai.response.finish_reasons": [_REASONS.get(request.reason, request.reason)],
        "gen_ai.latency.time_in_queue": request.queue_seconds,
        "gen_ai.latency.time_to_first_token": request.first_reply_seconds,
        "gen_ai.latency.e2e": request.total_seconds,
        "http.response.status_code": request.status,
        "djl_trtllm.request": request.id,
    }
    if request.code:
        found["error.type"] = request.code
    return found


def failed(request: RequestSummary) -> bool:
    """Whether the server is to blame: a client's mistake is no error of a server's span (HTTP conventions, 1.37)."""
    return bool(request.code) and (request.status >= _SERVER_ERROR or request.status == 200)


def _operation(request: RequestSummary) -> str:
    return "chat" if request.format.endswith("_chat") else "text_completion"
