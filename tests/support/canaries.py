"""Words that may stand in no log, metric, span, error or file: each kind of text and each credential has its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

MARK = "zq7x"
"""What all of them begin with, and nothing else holds."""

PROMPT = "zq7xprompt"
SYSTEM = "zq7xsystem"
TOOL = "zq7xtool"
ARGUMENT = "zq7xargument"
STOP = "zq7xstop"
SCHEMA = "zq7xschema"
HEADER = "zq7xheader"
NAME = "zq7xname"
VALUE = "zq7xvalue"
OUTPUT = "zq7xoutput"
SECRETS: Mapping[str, str] = {
    "HF_TOKEN": "hf_zq7xhuggingface",
    "AWS_SECRET_ACCESS_KEY": "zq7xaws+secret/access",
    "AWS_SESSION_TOKEN": "zq7xaws-session",
    "MY_API_KEY": "zq7xapi-key",
}
HEADERS = {
    "Authorization": f"Bearer {HEADER}",
    "Cookie": f"session={HEADER}",
    "X-Amzn-SageMaker-Custom-Attributes": HEADER,
    "tracestate": f"vendor={HEADER}",
    "baggage": f"user={HEADER}",
    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    "requestId": "plain-id",
}
_SHAPE = {"type": "object", "properties": {SCHEMA: {"const": SCHEMA}}, "required": [SCHEMA]}
_TOOLS = [
    {"type": "function", "function": {"name": TOOL, "description": TOOL, "parameters": {"type": "object"}}}
]
_CALL = {"id": "c1", "type": "function", "function": {"name": TOOL, "arguments": f'{{"a": "{ARGUMENT}"}}'}}


def lmi(**parameters: object) -> dict[str, object]:
    """A body of LMI's schema."""
    return {"inputs": f"say {PROMPT}", "parameters": {"max_new_tokens": 40, **parameters}}


def chat(*, tools: bool = False, **more: object) -> dict[str, object]:
    """A body of OpenAI's chat, with a system message and, where asked for, a tool and a call of it."""
    messages: list[dict[str, object]] = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": PROMPT},
    ]
    if tools:
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": ARGUMENT},
        ]
        more |= {"tools": _TOOLS}
    return {"messages": messages, "max_tokens": 40, **more}


GOOD: Mapping[str, object] = {
    "lmi": lmi(),
    "lmi stream": {**lmi(stop=[STOP], details=True), "stream": True},
    "chat": chat(temperature=0),
    "chat with tools": chat(tools=True),
    "chat stream": chat(stream=True, stop=STOP),
    "completions": {"prompt": PROMPT, "max_tokens": 40, "logprobs": 1},
    "names and values": lmi(**{NAME: VALUE, "seed": 5}),
}
GUIDED: Mapping[str, object] = {
    "schema": lmi(guided_json=_SHAPE),
    "regex": lmi(guided_regex=f"({SCHEMA}){{2}}"),
    "choice": lmi(guided_choice=[SCHEMA, f"{SCHEMA}2"]),
    "chat schema": chat(
        response_format={"type": "json_schema", "json_schema": {"name": SCHEMA, "schema": _SHAPE}}
    ),
}
BAD: Mapping[str, object] = {
    "no JSON": json.dumps(lmi()).encode()[:-5],
    "cut in a text": b'{"inputs": "' + PROMPT.encode(),
    "no object": json.dumps([PROMPT]).encode(),
    "no UTF-8": b'{"inputs": "' + PROMPT.encode() + b'\xff"}',
    "no prompt": {"parameters": {NAME: PROMPT}},
    "a prompt of another type": {"inputs": {"x": PROMPT}},
    "wrong types": lmi(max_new_tokens=VALUE, temperature=[VALUE], do_sample=VALUE, stop=7),
    "out of range": lmi(top_p=3, temperature=-1),
    "twice": b'{"inputs": "' + PROMPT.encode() + b'", "inputs": "' + PROMPT.encode() + b'"}',
    "too long": {"inputs": f"{PROMPT} " * 2000},
    "unknown format": lmi(output_formatter=VALUE),
    "wrong role": {"messages": [{"role": VALUE, "content": PROMPT}]},
    "content of another type": {"messages": [{"role": "user", "content": {"x": PROMPT}}]},
    "a tool that is none": {**chat(), "tools": [{"type": VALUE, "function": TOOL}]},
    "arguments that are no JSON": chat(tools=True, tool_choice=VALUE),
    "a schema that is none": lmi(guided_json={"type": SCHEMA, "$ref": f"#/{SCHEMA}"}),
    "a schema that is no JSON": lmi(guided_json=f'{{"{SCHEMA}'),
    "a regex that is none": lmi(guided_regex=f"({SCHEMA}"),
    "a grammar that is none": lmi(guided_grammar=f"root ::= {SCHEMA}"),
    "two guides": lmi(guided_json=_SHAPE, guided_regex=SCHEMA),
    "a lone surrogate": b'{"inputs": "' + PROMPT.encode() + b'\\ud800"}',
    "null bytes": {"inputs": f"{PROMPT}\x00", "parameters": {"stop": [f"{STOP}\x00"]}},
}


def found(text: str | bytes) -> list[str]:
    """The lines of a text that hold a canary, shortened for a failure's message."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return [line[:300] for line in plain.splitlines() if MARK in line.lower()]


def in_files(*roots: Path) -> list[str]:
    """The files below `roots` that hold a canary, in their names or their bytes."""
    return [
        str(file)
        for root in roots
        for file in root.rglob("*")
        if file.is_file() and (MARK in str(file).lower() or MARK.encode() in file.read_bytes().lower())
    ]
