"""The messages of a chat, and what of them a model's template is given."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from djl_trtllm.schemas import texts
from djl_trtllm.schemas.kinds import JSON_OBJECT, TEXT, Name, says

_MANY = 64
_OTHER = {
    "image_url": "an image",
    "image": "an image",
    "input_image": "an image",
    "input_audio": "audio",
    "audio_url": "audio",
    "audio": "audio",
    "video_url": "a video",
    "video": "a video",
    "file": "a file",
}


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One part of a content that is a list."""

    type: Annotated[str, says(TEXT, "Only `text`.")] | None = None
    text: Annotated[str, says(TEXT, "The text.")] | None = None


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """The function of a tool call; `arguments` as JSON text, as OpenAI has them, or as an object."""

    name: Annotated[Name, says(TEXT, "The function that was called.")] | None = None
    arguments: (
        Annotated[str | dict[str, Any], says("a text or an object", "What it was called with.")] | None
    ) = None


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that the assistant made in an earlier message."""

    id: Annotated[str, says(TEXT, "Its id.")] | None = None
    type: Annotated[Literal["function"], says("a text: function", "Its kind.")] | None = None
    function: Annotated[Call, says(JSON_OBJECT, "The function.")] | None = None


_ROLES = "a text: system, developer, user, assistant or tool"


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message; what else it holds is not given to the template."""

    role: (
        Annotated[Literal["system", "developer", "user", "assistant", "tool"], says(_ROLES, "Who says it.")]
        | None
    ) = None
    content: Annotated[str | list[Part], says("a text or a list of parts", "What is said.")] | None = None
    name: Annotated[str, says(TEXT, "The name of who says it.")] | None = None
    tool_calls: Annotated[list[ToolCall], says("a list of tool calls", "Of an assistant.")] | None = None
    tool_call_id: Annotated[str, says(TEXT, "Of a tool: which call it answers.")] | None = None
    reasoning_content: Annotated[str, says(TEXT, "Of an assistant: what it thought.")] | None = None


def for_template(messages: Sequence[Message], problems: list[str]) -> list[dict[str, Any]]:
    """Return messages as templates expect them.

    `developer` is OpenAI's newer name of `system`, which templates know. Parts are joined by line breaks and arguments
    of calls are objects, as vLLM does (0.6 to 0.11).
    """
    made = []
    for i, message in enumerate(messages):
        if len(problems) > _MANY:
            break
        path = f"messages[{i}]"
        if message.role is None:
            if not any(problem.startswith((f"{path}.", f"{path} ")) for problem in problems):
                problems.append(f"{path}.role is missing: it is {_ROLES}.")
            continue
        made.append(_one(path, message, problems))
    return made


def _one(path: str, message: Message, problems: list[str]) -> dict[str, Any]:
    content = message.content
    if isinstance(content, list):
        content = _joined(f"{path}.content", content, problems)
    elif content is None and not message.tool_calls and not any(p.startswith(f"{path}.") for p in problems):
        problems.append(f"{path}.content is missing: send a text.")
    texts.check(path, content or "", problems)
    made: dict[str, Any] = {
        "role": "system" if message.role == "developer" else message.role,
        "content": content or "",
    }
    for name in ("name", "tool_call_id", "reasoning_content"):
        value = getattr(message, name)
        if value is not None:
            texts.check(f"{path}.{name}", value, problems)
            made[name] = value
    if message.tool_calls:
        calls = enumerate(message.tool_calls)
        made["tool_calls"] = [_call(f"{path}.tool_calls[{i}]", call, problems) for i, call in calls]
    return made


def _joined(path: str, parts: Sequence[Part], problems: list[str]) -> str:
    found = []
    for i, part in enumerate(parts):
        if len(problems) > _MANY:
            break
        if part.type == "text" and part.text is not None:
            found.append(part.text)
        elif part.type == "text" or part.type is None:
            problems.append(f"{path}[{i}] must be an object of type text with a text.")
        else:
            kind = _OTHER.get(part.type, "no text")
            problems.append(f"{path}[{i}] is {kind}: this server takes text only.")
    return "\n".join(found)


def _call(path: str, call: ToolCall, problems: list[str]) -> dict[str, Any]:
    function = call.function
    if function is None or not function.name:
        problems.append(f"{path}.function.name is missing.")
        return {}
    arguments: object = function.arguments or {}
    if isinstance(arguments, str):
        texts.check(path, arguments, problems)
        # A model may have written what is no JSON; it sees again what it wrote.
        with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            arguments = msgspec.json.decode(arguments)
    made: dict[str, Any] = {"type": "function", "function": {"name": function.name, "arguments": arguments}}
    return made if call.id is None else {"id": call.id, **made}
