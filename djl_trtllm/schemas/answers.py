"""In which format a request is answered: what it asks for, what its client accepts, what the operator has set."""

from __future__ import annotations

from djl_trtllm.schemas.defaults import Defaults

LMI = ("json", "jsonlines", "sse", "tgi", "text")
CHAT = ("json_chat", "jsonlines_chat", "sse_chat")
COMPLETIONS = ("completions",)

_ALWAYS_STREAM = ("jsonlines", "sse", "jsonlines_chat", "sse_chat")
_NEVER_STREAM = ("json", "json_chat")


def streams(output_format: str, stream: bool) -> bool:
    """Whether a client gets parts of the answer before it is whole."""
    return output_format in _ALWAYS_STREAM or (stream and output_format not in _NEVER_STREAM)


def accepted(accept: str) -> str:
    """Return the one type that an Accept header names, or "" where it names several.

    Clients that name several (axios sends `application/json, text/plain, */*`) take what the schema has.
    """
    return "" if "," in accept else accept.partition(";")[0].strip().lower()


def lmi(asked: str | None, stream: bool, accept: str, defaults: Defaults, problems: list[str]) -> str:
    """Return the format for LMI's schema."""
    if asked is not None:
        return _fitting(asked, LMI, "inputs", problems) or LMI[0]
    wanted = accepted(accept) if accept else ""
    if wanted == "text/plain":
        return "text"
    if wanted == "text/event-stream" and stream:
        return "sse"
    if wanted == "application/jsonlines":
        return "jsonlines"
    if defaults.tgi_compat:
        return "tgi"
    chosen = defaults.output_formatter
    if chosen is not None and (chosen in LMI or ":" in chosen):
        return chosen
    return "jsonlines" if stream else "json"


def chat(asked: str | None, stream: bool, accept: str, defaults: Defaults, problems: list[str]) -> str:
    """Return the format for a chat. An option decides how it streams, never whether: that is the client's."""
    if asked is not None:
        return _fitting(asked, CHAT, "messages", problems) or CHAT[0]
    if not stream:
        return "json_chat"
    lines = defaults.output_formatter == "jsonlines_chat" or accepted(accept) == "application/jsonlines"
    return "jsonlines_chat" if lines else "sse_chat"


def completions(asked: str | None, problems: list[str]) -> str:
    """Return the format for OpenAI's completions, streaming or not."""
    if asked is not None:
        _fitting(asked, COMPLETIONS, "prompt", problems)
    return COMPLETIONS[0]


def _fitting(asked: str, allowed: tuple[str, ...], field: str, problems: list[str]) -> str | None:
    if asked in allowed:
        return asked
    problems.append(f"output_formatter must be one of {', '.join(allowed)} for a body with {field}.")
    return None
