"""A tool call as OpenAI's API shows it."""

from __future__ import annotations

import secrets

from djl_trtllm.formats.quoting import quote
from djl_trtllm.formats.tool_call import ToolCall


def tool_call_json(call: ToolCall, index: int | None = None) -> str:
    """Return the object, with a new id; in a stream it says the how manieth of its choice it is."""
    position = f'"index":{index},' if index is not None else ""
    return (
        f'{{{position}"id":"call_{secrets.token_hex(12)}","type":"function",'
        f'"function":{{"name":{quote(call.name)},"arguments":{quote(call.arguments)}}}}}'
    )
