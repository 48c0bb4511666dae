"""Whatever bytes come: a request, or a refusal that does not repeat what the client wrote."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from djl_trtllm.core import Features
from djl_trtllm.errors import BodyTooLarge, InvalidRequest
from djl_trtllm.schemas import chat, completions, lmi, parameters
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.rules import rules
from tests.support.lmi_bodies import EVERYTHING, FEATURES, check_refused, check_taken, read

CANARY = "zebra quilt"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "description": CANARY}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "f", "description": CANARY, "parameters": SCHEMA}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": CANARY})}}
SEEDS: list[dict[str, Any]] = [
    {
        "inputs": CANARY,
        "parameters": {
            "max_new_tokens": 8,
            "do_sample": True,
            "top_p": 0.5,
            "stop": [CANARY],
            "guided_json": SCHEMA,
        },
        "stream": False,
    },
    {
        "inputs": [CANARY, "b"],
        "parameters": {"n": 2, "best_of": 3, "details": True, "grammar": {"type": "regex", "value": CANARY}},
    },
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": CANARY},
            {"role": "user", "content": [{"type": "text", "text": CANARY}], "name": "x"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "1", "content": CANARY},
        ],
        "tools": [TOOL],
        "tool_choice": "auto",
        "logprobs": True,
        "logit_bias": {"5": 1.5},
        "stream": True,
        "stream_options": {"include_usage": True},
        "chat_template_kwargs": {"mood": CANARY},
    },
    {"prompt": [CANARY, "b"], "max_tokens": 5, "temperature": 0, "stop": CANARY, "echo": True, "logprobs": 1},
    {"prompt": [[1, 2, 3], [4]], "guided_choice": [CANARY, "b"], "seed": 5},
]
NAMES = sorted({n for s in (lmi.Body, parameters.Parameters, chat.Body, completions.Body) for n in rules(s)})
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 1e300, 2**70, float("nan"), "", CANARY, "\0", "\ud800", "required",
    [], [CANARY], [[1]], [1, "a"], {}, {CANARY: CANARY}, {"json": SCHEMA}, {"type": "json_object"},
    {"type": "function", "function": {"name": "f"}},
]  # fmt: skip
BYTES = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\u0000",
    b"\\ud83d",
    b"\xff",
    b"\x00",
    b"null",
    b"1e999",
    b"NaN",
    b" ",
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place of an object where something stands."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        found += places(inner)
    return found


def mutated(chance: random.Random) -> bytes:
    seed = json.loads(json.dumps(chance.choice(SEEDS)))
    for _ in range(chance.randrange(4)):
        where, key = chance.choice(places(seed))
        what = chance.randrange(4)
        if what == 0:
            where[key] = copy.deepcopy(chance.choice(VALUES))
        elif what == 1 and len(seed) > 1:
            del where[key]
        elif what == 2:
            seed[chance.choice([*NAMES, "unknown", CANARY])] = copy.deepcopy(chance.choice(VALUES))
        elif isinstance(seed.get("parameters"), dict):
            seed["parameters"][chance.choice(NAMES)] = copy.deepcopy(chance.choice(VALUES))
        if not places(seed):
            break
    data = bytearray(json.dumps(seed, ensure_ascii=chance.random() < 0.8).encode("utf-8", "surrogatepass"))
    for _ in range(chance.choice([0, 0, 0, 1, 2, 5])):
        place = chance.randrange(len(data) + 1)
        data[place : place + chance.randrange(4)] = chance.choice(BYTES)
    return bytes(data)


def check(data: bytes, chance: random.Random) -> bool:
    features = chance.choice([FEATURES, EVERYTHING, Features(logprobs=False, min_p=False, beam_width=2)])
    defaults = Defaults(
        unknown_parameters=chance.choice(["warn", "reject"]), tgi_compat=chance.random() < 0.2
    )
    kind = chance.choice(["application/json", "", "text/html", "application/json; charset=utf-8"])
    accept = chance.choice(["", "*/*", "text/plain", "text/event-stream", "application/jsonlines"])
    try:
        request = read(data, kind, defaults, features, accept=accept)
    except (InvalidRequest, BodyTooLarge) as error:
        check_refused(error, CANARY, data)
        return False
    check_taken(request, CANARY)
    return True


def run(count: int, start: int) -> None:
    good = 0
    for i in range(start, start + count):
        chance = random.Random(i)
        good += check(mutated(chance), chance)
    assert count * 0.05 < good < count * 0.9, "mutations are too weak or too strong to show anything"


def test_seeds_are_good() -> None:
    for seed in SEEDS:
        read(json.dumps(seed), features=EVERYTHING)


def test_two_thousand_mutated_bodies() -> None:
    run(2_000, 0)


@pytest.mark.long
def test_twenty_thousand_mutated_bodies() -> None:
    run(20_000, 2_000)
