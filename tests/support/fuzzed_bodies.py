"""Bodies that no client should send: the mutations of good ones of every schema, and what must be answered to each."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable

from djl_trtllm.core import Features, GuideKind
from tests.support.java_side import Client
from tests.support.loop import tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

CANARY = "canary-7f3a"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SEEDS: list[dict[str, object]] = [
    {"inputs": f"the fox {CANARY}", "parameters": {"max_new_tokens": 5, "details": True, "stop": ["dog"]}},
    {
        "inputs": ["a", "b"],
        "parameters": {"do_sample": True, "temperature": 0.5, "top_k": 3, "n": 2, "seed": 1},
    },
    {
        "inputs": "x",
        "parameters": {"guided_json": {"type": "object"}, "bad_sequences": ["fox"]},
        "stream": True,
    },
    {
        "inputs": "x",
        "parameters": {"top_n_tokens": 2, "decoder_input_details": True, "return_full_text": True},
    },
    {
        "messages": [{"role": "user", "content": CANARY}],
        "temperature": 0.3,
        "max_tokens": 4,
        "logprobs": True,
    },
    {
        "messages": [
            {"role": "system", "content": "x"},
            {"role": "user", "content": [{"type": "text", "text": "y"}]},
        ],
        "tools": [TOOL],
        "tool_choice": "auto",
        "stream": True,
        "stream_options": {"include_usage": True},
        "logit_bias": {"5": -1},
    },
    {"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_object"}, "n": 2},
    {"prompt": f"the {CANARY}", "max_tokens": 3, "echo": True, "logprobs": 2, "stop": "q"},
    {"prompt": [[1, 2], [3]], "max_tokens": 2, "stream": True, "suffix": None},
]
ODD: list[object] = [
    None, True, -1, 0, 1e308, 10**30, 1.5, "", "x", CANARY, "\x00", "\ud800", "💥" * 50, [], {}, [[]], [None], {"a": 1},
    [1, "x"], "nan", -(2**63), {"type": "object"}, [CANARY] * 70,
]  # fmt: skip
RAW = [
    b"NaN",
    b"Infinity",
    b"1e999",
    b'"\\ud800"',
    b"\xff",
    b"\x00",
    b'"\\u0000"',
    b"[" * 200,
    b"{" * 200,
    b"}",
    b",",
    b"",
]

Mutation = Callable[[random.Random, dict], bytes]


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Paths to every value inside."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def change(dice: random.Random, body: dict) -> bytes:
    """Some values are others, some names too, some are gone."""
    for _ in range(dice.randint(1, 3)):
        spots = places(body)
        if not spots:
            break
        *way, last = dice.choice(spots)
        holder = body
        for key in way:
            holder = holder[key]
        action = dice.random()
        if action < 0.6 or not isinstance(holder, dict):
            holder[last] = copy.deepcopy(dice.choice(ODD))
        elif action < 0.8:
            holder[dice.choice(["x", "max_tokens", "messages", "inputs", "a" * 100, "no one"])] = holder.pop(
                last
            )
        else:
            del holder[last]
    return json.dumps(body, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")


def splice(dice: random.Random, body: dict) -> bytes:
    """Raw bytes in place of some of the body's."""
    raw = bytearray(json.dumps(body).encode())
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(raw))
        raw[at : at + dice.randint(0, 5)] = dice.choice(RAW)
    return bytes(raw)


def double(dice: random.Random, body: dict) -> bytes:
    """One name twice."""
    raw = json.dumps(body)
    name = dice.choice(list(body))
    return (raw[:-1] + f", {json.dumps(name)}: {json.dumps(body[name])}}}").encode()


def deepen(dice: random.Random, body: dict) -> bytes:
    """One value nested far too deeply."""
    depth = dice.choice([90, 500, 5000])
    raw = json.dumps({**body, dice.choice(list(body)): "@"})
    return raw.replace('"@"', "[" * depth + "]" * depth).encode()


MUTATIONS: list[Mutation] = [change, change, change, splice, splice, double, deepen]


def engine() -> ToyEngine:
    features = Features(
        bad_words=True, logit_bias=True, top_logprobs=5, prompt_logprobs=True, guides=frozenset(GuideKind)
    )
    limits = toy_limits(vocab_size=tokenizer().vocab_size, max_output_len=12, max_input_len=200)
    return ToyEngine(limits=limits, features=features)


def fuzzed(dice: random.Random) -> bytes:
    return dice.choice(MUTATIONS)(dice, json.loads(json.dumps(dice.choice(SEEDS))))


def is_json(raw: bytes) -> bool:
    """Whether a body is JSON in which every name stands once; Python's own reader also takes NaN and repeats."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice")
        return found

    try:
        json.loads(raw.decode(), parse_constant=_refuse, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return False
    return True


def is_json_object(raw: bytes) -> bool:
    """Whether a body is one object in JSON."""
    try:
        return isinstance(json.loads(raw.decode(), parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def wrong(client: Client) -> str:
    """Return what is wrong with the answer to a body; empty for nothing."""
    if not client.done:
        return "no answer"
    if client.code is None:
        if not client.chunks:
            return "an answer without text"
        return "" if is_json(client.body) else "an answer to what is no JSON"
    if client.code not in (400, 413):
        return f"status {client.code}"
    if not client.error.isascii() or CANARY in client.error:
        return "an error that quotes the client"
    return "" if client.response_headers["Content-Type"] == "application/json" else "an error that is no JSON"


def _refuse(name: str) -> None:
    raise ValueError(name)
