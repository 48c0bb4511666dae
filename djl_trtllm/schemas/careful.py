"""The slow way to read a body: after the fast one has failed, find everything that is wrong with it.

Error texts name parameters and show short numbers only. They never hold text of the client, since that may be
the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.options.nearest import nearest
from djl_trtllm.schemas.parameters import RULES, UNSUPPORTED, Rule

EXAMPLE = '{"inputs": "Hello", "parameters": {"max_new_tokens": 20}}'
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder raises for bytes that are not what they should be."""
_FIELDS = ("inputs", "parameters", "stream")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_MANY = 8
_SHORT = 40
_WORDS = {'"': "a text", "[": "a list", "{": "an object", "t": "true", "f": "false", "n": "null"}


def read_object(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the top level of a JSON object with its values still unread, or raise `InvalidRequest`."""
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    if not body.strip():
        raise InvalidRequest(f"The body is empty; send JSON such as {EXAMPLE}.")
    try:
        return _OBJECT.decode(body)
    except msgspec.ValidationError:
        raise InvalidRequest(f"The body must be a JSON object such as {EXAMPLE}.") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(_where(body, str(error))) from None
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not UTF-8.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def _where(body: bytes, message: str) -> str:
    """Say where JSON breaks; the decoder's own words are not passed on, only its byte offset."""
    found = re.search(r"\(byte (\d+)\)$", message)
    if found is None:
        return "The body is not complete JSON: it ends too early, or a text holds half a surrogate pair."
    offset = int(found[1])
    line = body.count(b"\n", 0, offset) + 1
    column = offset - (body.rfind(b"\n", 0, offset) + 1) + 1
    return f"The body is not valid JSON at line {line}, column {column} (byte {offset})."


def read_inputs(fields: Mapping[str, msgspec.Raw], problems: list[str]) -> str:
    """Return the prompt, or "" and a problem."""
    raw = fields.get("inputs")
    kind = _word(raw) if raw is not None else "null"
    if raw is not None and kind == "a text":
        try:
            return msgspec.json.decode(raw, type=str)
        except UNREADABLE:
            problems.append("inputs is not UTF-8, or holds half a surrogate pair.")
    elif kind == "null":
        hint = "; bodies with messages are not taken here" if "messages" in fields else ""
        problems.append(f"inputs is missing: send the prompt as a text{hint}.")
    elif kind == "a list":
        problems.append("inputs is a list: send one text, and one request for each prompt.")
    else:
        problems.append(f"inputs must be a text, not {kind}.")
    return ""


def read_stream(fields: Mapping[str, msgspec.Raw], problems: list[str]) -> bool | None:
    """Return the top-level `stream`."""
    values = read_values({"stream": fields["stream"]}, problems) if "stream" in fields else {}
    stream: bool | None = values.get("stream")
    return stream


def read_parameters(
    fields: Mapping[str, msgspec.Raw], problems: list[str], unknown: list[str]
) -> Mapping[str, Any]:
    """Return the good parameters; each bad one goes to `problems`, each unknown one to `unknown`."""
    unknown += _unknown([name for name in fields if name not in _FIELDS], _FIELDS, nested=False)
    raw = fields.get("parameters")
    if raw is None or _word(raw) == "null":
        return {}
    if _word(raw) != "an object":
        problems.append(f"parameters must be an object, not {_word(raw)}.")
        return {}
    try:
        given = _OBJECT.decode(raw)
    except UNREADABLE:
        problems.append("parameters has names that are not UTF-8.")
        return {}
    refused = [name for name in given if name in UNSUPPORTED and _word(given[name]) != "null"]
    problems += [f"{name} is not supported: this server has no {UNSUPPORTED[name]}." for name in refused]
    strange = [name for name in given if name not in RULES and name not in UNSUPPORTED]
    unknown += _unknown(strange, RULES, nested=True)
    return read_values({name: value for name, value in given.items() if name in RULES}, problems)


def read_values(given: Mapping[str, msgspec.Raw], problems: list[str]) -> dict[str, Any]:
    """Check known parameters one by one."""
    good: dict[str, Any] = {}
    for name, raw in given.items():
        value = _value(RULES[name], raw)
        if value is msgspec.UNSET:
            problems.append(_wrong(RULES[name], raw))
        else:
            good[name] = value
    return good


def _value(rule: Rule, raw: msgspec.Raw) -> object:
    """Return a parameter's value, or UNSET when it is not allowed.

    20.0 is read as 20, because JavaScript's numbers and JSON's own have no integers.
    """
    try:
        return msgspec.json.decode(raw, type=rule.type)
    except UNREADABLE:
        if len(raw) > _SHORT or _word(raw) != "a number":
            return msgspec.UNSET
    try:
        value = msgspec.json.decode(raw, type=float)
        return msgspec.convert(int(value), rule.type) if value.is_integer() else msgspec.UNSET
    except UNREADABLE:
        return msgspec.UNSET


def _wrong(rule: Rule, raw: msgspec.Raw) -> str:
    word = _word(raw)
    if word in ("a number", "true", "false") and len(raw) <= _SHORT:
        return f"{rule.name}={bytes(raw).decode('ascii')} must be {rule.allowed}."
    if word in rule.allowed or (word == "a list" and "list" in rule.allowed):
        return f"{rule.name} must be {rule.allowed}."
    return f"{rule.name} must be {rule.allowed}, not {word}."


def _word(raw: msgspec.Raw) -> str:
    return _WORDS.get(chr(memoryview(raw)[0]), "a number")


def _unknown(names: Iterable[str], known: Iterable[str], *, nested: bool) -> list[str]:
    """Say of unknown names what may have been meant; of the first few, because there may be a million."""
    names, known = list(names), list(known)
    said = [_unknown_name(name, known, nested=nested) for name in names[:_MANY]]
    if len(names) > _MANY:
        said.append(f"{len(names) - _MANY} more names are not known.")
    return said


def _unknown_name(name: str, known: list[str], *, nested: bool) -> str:
    if not _NAME.fullmatch(name):
        return f"A name of {len(name)} characters is not a parameter; it has no effect."
    if not nested and name in RULES:
        return f"{name} belongs inside parameters; here it has no effect."
    close = nearest(name, known)
    hint = f"did you mean {close}?" if close else "it has no effect."
    return f"{name} is not a parameter; {hint}"
