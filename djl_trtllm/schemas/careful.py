"""The slow way to read a body: after the fast one has failed, find everything that is wrong with it.

Error texts name parameters and show short numbers only. They never hold text of the client, since that may be
the prompt.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.options.nearest import nearest
from djl_trtllm.schemas import repeats
from djl_trtllm.schemas.kinds import MAX_ITEMS
from djl_trtllm.schemas.quoting import Quoting
from djl_trtllm.schemas.rules import Rule, rules

EXAMPLE = '{"inputs": "Hello", "parameters": {"max_new_tokens": 20}}'
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder raises for bytes that are not what they should be."""

AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_Utf8 = codecs.getincrementaldecoder("utf-8")
_PIECE = 64 * 1024
_BEGINNING = 64
_MANY = 8
_SHORT = 40
_WORDS = {'"': "a text", "[": "a list", "{": "an object", "t": "true", "f": "false", "n": "null"}
_NOTHING = re.compile(rb'null|false|-?0(\.0*)?|""|\[\s*\]|\{\s*\}')


def read_object(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the top level of a JSON object with its values still unread, or raise `InvalidRequest`."""
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    if not body[:_BEGINNING].strip() and not body.strip():
        raise InvalidRequest(f"The body is empty; send JSON such as {EXAMPLE}.")
    try:
        _check_utf8(body)
        return _OBJECT.decode(body)
    except msgspec.ValidationError:
        raise InvalidRequest(f"The body must be a JSON object such as {EXAMPLE}.") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(_where(body, str(error))) from None
    except RecursionError:
        raise InvalidRequest(repeats.TOO_DEEP) from None


def _check_utf8(body: bytes) -> None:
    """Refuse what is no UTF-8. Piece by piece: one character beyond 16 bits makes a text four times its body's size."""
    decoder = _Utf8()
    for begin in range(0, len(body), _PIECE):
        before = begin - len(decoder.getstate()[0])
        try:
            decoder.decode(body[begin : begin + _PIECE], begin + _PIECE >= len(body))
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"The body is not UTF-8 (byte {before + error.start}).") from None


def _where(body: bytes, message: str) -> str:
    """Say where JSON breaks; the decoder's own words are not passed on, only its byte offset."""
    found = re.search(r"\(byte (\d+)\)$", message)
    if found is None:
        return "The body is not complete JSON: it ends too early, or a text holds half a surrogate pair."
    offset = int(found[1])
    line = body.count(b"\n", 0, offset) + 1
    column = offset - (body.rfind(b"\n", 0, offset) + 1) + 1
    return f"The body is not valid JSON at line {line}, column {column} (byte {offset})."


@dataclass(slots=True)
class Reader:
    """Reads structs field by field. Wrong values go to `problems`, names that are not known to `unknown`.

    `unsupported` says of parameters of other servers what they would need; `moved` are names that belong elsewhere.
    """

    unsupported: Mapping[str, str]
    moved: Collection[str] = ()
    problems: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def read(self, fields: Mapping[str, msgspec.Raw], struct: type[AnyStruct], path: str = "") -> AnyStruct:
        """Return a struct with those of its values that are good. `path` is what stands before a name."""
        known = rules(struct)
        strange = [name for name in fields if name not in known]
        self.problems += [
            f"{path}{name} is not supported: this server has no {self.unsupported[name]}."
            for name in strange
            if name in self.unsupported and not _asks_nothing(fields[name])
        ]
        if struct.__struct_config__.forbid_unknown_fields:
            self._note([name for name in strange if name not in self.unsupported], known)
        good = {}
        for name, raw in fields.items():
            if name in known:
                value = self._value(known[name], raw, f"{path}{name}")
                if value is not msgspec.UNSET:
                    good[name] = value
        return struct(**good)

    def _value(self, rule: Rule, raw: msgspec.Raw, path: str) -> object:
        """Return a field's value, or UNSET when it is not allowed."""
        if rule.inner is not None and _word(raw) == "a list" and "list" in rule.allowed:
            count = len(_LIST.decode(raw))
            if count > MAX_ITEMS:
                self._say(f"{path} must be {rule.allowed}; it is a list of {count}.")
                return msgspec.UNSET
        try:
            return msgspec.json.decode(raw, type=rule.type)
        except UNREADABLE:
            return self._inside(rule, raw, path)

    def _inside(self, rule: Rule, raw: msgspec.Raw, path: str) -> object:
        """Look for what is wrong inside of a value."""
        word = _word(raw)
        if rule.inner is not None and word == "an object" and word in rule.allowed:
            return self._struct(rule.inner, raw, path)
        if rule.inner is not None and word == "a list" and "list" in rule.allowed:
            items = enumerate(_LIST.decode(raw))
            return [
                self._item(rule.inner, item, f"{path}[{i}]")
                for i, item in items
                if len(self.problems) < _MANY**2
            ]
        value = _whole(rule, raw) if word == "a number" and len(raw) <= _SHORT else msgspec.UNSET
        if value is msgspec.UNSET:
            self._say(_wrong(rule, raw, path))
        return value

    def _item(self, inner: type[msgspec.Struct], raw: msgspec.Raw, path: str) -> msgspec.Struct:
        if _word(raw) == "an object":
            return self._struct(inner, raw, path)
        self._say(f"{path} must be an object, not {_word(raw)}.")
        return inner()

    def _struct(self, inner: type[msgspec.Struct], raw: msgspec.Raw, path: str) -> msgspec.Struct:
        return self.read(_OBJECT.decode(raw), inner, f"{path}." if path != "parameters" else "")

    def _say(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _note(self, names: list[str], known: Iterable[str]) -> None:
        """Say of unknown names what may have been meant; of the first few, because there may be a million."""
        known = list(known)
        self.unknown += [self._unknown(name, known) for name in names[:_MANY]]
        if len(names) > _MANY:
            self.unknown.append(f"{len(names) - _MANY} more names are not known.")

    def _unknown(self, name: str, known: list[str]) -> str:
        if not repeats.NAME.fullmatch(name):
            return f"A name of {len(name)} characters is not a parameter; it has no effect."
        if name in self.moved and name not in known and "inputs" in known:
            return f"{name} belongs inside parameters; here it has no effect."
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else "it has no effect."
        meant = f"; perhaps {close} was meant." if close else "."
        return Quoting(
            f"{name} is not a parameter; {hint}", f"A parameter that is not known has no effect{meant}"
        )


def _whole(rule: Rule, raw: msgspec.Raw) -> object:
    """Return 20 for 20.0, because JavaScript's numbers and JSON's own have no integers; UNSET for what is not whole."""
    try:
        value = msgspec.json.decode(raw, type=float)
        return msgspec.convert(int(value), rule.type) if value.is_integer() else msgspec.UNSET
    except UNREADABLE:
        return msgspec.UNSET


def _wrong(rule: Rule, raw: msgspec.Raw, path: str) -> str:
    word = _word(raw)
    if word in ("a number", "true", "false") and len(raw) <= _SHORT:
        return f"{path}={bytes(raw).decode('ascii')} must be {rule.allowed}."
    if word in rule.allowed or (word == "a list" and "list" in rule.allowed):
        return f"{path} must be {rule.allowed}{_size(rule.allowed, word, raw)}."
    return f"{path} must be {rule.allowed}, not {word}."


def _size(allowed: str, word: str, raw: msgspec.Raw) -> str:
    """Say how long a value is where its length may be what is wrong."""
    if "at most" not in allowed:
        return ""
    if word == "a list":
        return f"; it is a list of {len(_LIST.decode(raw))}"
    return (
        f"; it is a text of {len(msgspec.json.decode(raw, type=str))} characters" if word == "a text" else ""
    )


def _asks_nothing(raw: msgspec.Raw) -> bool:
    return len(raw) <= _SHORT and _NOTHING.fullmatch(bytes(raw)) is not None


def is_text(raw: msgspec.Raw) -> bool:
    """Whether a value is a text."""
    return _word(raw) == "a text"


def _word(raw: msgspec.Raw) -> str:
    return _WORDS.get(chr(memoryview(raw)[0]), "a number")
