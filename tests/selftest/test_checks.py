"""The checks pass on an engine that is right, and each one fails on an engine that is wrong in its way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from djl_trtllm.core import EngineRequest, SamplingParams
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.rolling_batch.loop import Step
from djl_trtllm.selftest import checks, words
from djl_trtllm.selftest.clients import Client, Clients
from djl_trtllm.selftest.reference import NEW_TOKENS, Answer, Reference
from djl_trtllm.selftest.shapes import LONGEST_INPUT, LONGEST_OUTPUT
from djl_trtllm.selftest.verdict import CheckFailed
from tests.support.loop import Rig, rig, tokenizer
from tests.support.toy_engine import ToyEngine, always_failing, expected_tokens, toy_limits


def answer(text: str, count: int) -> Answer:
    ids = tokenizer().encode(text)
    request = EngineRequest(1, ids, SamplingParams(max_new_tokens=count))
    tokens, _ = expected_tokens(request, tokenizer().vocab_size)
    return Answer(text, ids, tokens, [1.0] * count)


def reference() -> Reference:
    texts = words.prompts(60)
    whole = [answer(text, NEW_TOKENS) for text in texts]
    # The toy's tokens step by seven through the vocabulary; text needs letters to be looked for.
    letters = [a for a in whole if tokenizer().decode(a.tokens[4:10]).isascii() and min(a.tokens) > 0]
    return Reference("toy", tokenizer().vocab_size, letters[:12], [answer(text, 1) for text in texts[:24]])


class Served:
    """What `Clients` needs of a service."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.change: Callable[[Any], Any] = lambda replies: replies

    def step(self, step: Step) -> Any:
        return self.change(self.rig.loop.step(step))


def engine(**more: Any) -> ToyEngine:
    limits = toy_limits(
        max_input_len=LONGEST_INPUT, max_output_len=LONGEST_OUTPUT, vocab_size=tokenizer().vocab_size
    )
    return ToyEngine(limits=limits, **more)


@contextmanager
def trial(made: ToyEngine | None = None, quantize: str = "") -> Iterator[checks.Trial]:
    with rig(made or engine()) as running:
        clients = Clients(Served(running), 5.0)
        yield checks.Trial(clients, reference(), 0.01, quantize)


@pytest.mark.parametrize("quantize", ["", "awq"])
def test_everything_holds_on_a_right_engine(quantize: str) -> None:
    with trial(quantize=quantize) as one:
        found = {name: check(one) for name, check in checks.of(quantize).items()}
    assert ("agreement" in found) == bool(quantize)
    assert found["cancel"] == "12 requests given up, then 12 served"
    assert found["too long prompt"] == "refused with 400"
    assert found["poisoned request"] == "6 refused, 6 served between them"
    if quantize:
        assert found["agreement"] == "100% of 24 next tokens as unquantised, the floor is 30%"
    else:
        assert found["greedy, alone"] == found["greedy, together"] == "144 tokens equal"


class Wrong(ToyEngine):
    """Gives every sequence longer than some other tokens."""

    def _advance(self, running):
        chunk = super()._advance(running)
        if running.position > 3:
            chunk.tokens = [(token + 1) % tokenizer().vocab_size for token in chunk.tokens]
        return chunk


class Unseeded(ToyEngine):
    """Draws as if there were no seeds."""

    def submit(self, requests):
        import dataclasses

        plain = [dataclasses.replace(r, sampling=dataclasses.replace(r.sampling, seed=1)) for r in requests]
        super().submit(plain)


class Forgetful(ToyEngine):
    """Draws something else every time."""

    def submit(self, requests):
        import dataclasses

        self.steps += 100
        odd = [
            dataclasses.replace(r, sampling=dataclasses.replace(r.sampling, seed=self.steps))
            for r in requests
        ]
        super().submit(odd)


def limits() -> dict[str, Any]:
    return {"limits": engine().limits}


@pytest.mark.parametrize(
    ("made", "name", "said"),
    [
        (lambda: Wrong(**limits()), "greedy, alone", "12 answers differ"),
        (lambda: Unseeded(**limits()), "seed", "three other seeds"),
        (lambda: Forgetful(**limits()), "seed", "the same seed"),
        (lambda: engine(fail=always_failing), "greedy, alone", "gave this request up"),
        (lambda: engine(fail=always_failing), "stop string", "gave this request up"),
    ],
)
def test_what_is_wrong_is_found(made: Callable[[], ToyEngine], name: str, said: str) -> None:
    with trial(made()) as one, pytest.raises(CheckFailed, match=said):
        checks.of("")[name](one)


def test_a_quantised_model_that_agrees_too_seldom_fails() -> None:
    with trial(quantize="int8") as one:
        answers = one.reference.next_tokens
        others = [Answer(a.text, a.ids, [a.tokens[0] + 1], a.gaps) for a in answers[:10]]
        one.reference = Reference("toy", 1, one.reference.answers, [*others, *answers[10:]])
        with pytest.raises(CheckFailed, match="58% of 24 next tokens as unquantised, the floor is 80%"):
            checks.quantised_agreement(one)


def test_near_ties_cannot_hide_everything() -> None:
    with trial() as one:
        unclear = [Answer(a.text, a.ids, [a.tokens[0], *[0] * 11], [0.0] * 12) for a in one.reference.answers]
        one.reference = Reference("toy", 1, unclear, [])
        with pytest.raises(CheckFailed, match="too many near ties"):
            checks.greedy_alone(one)


def test_a_prompt_that_is_too_long_must_be_refused() -> None:
    made = ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size, max_input_len=2000))
    with trial(made) as one, pytest.raises(CheckFailed, match="answered as if it were not"):
        checks.too_long_prompt(one)


def test_another_error_than_a_refusal_is_found() -> None:
    client = Client(b"")
    client.error = EngineRestarting("The engine broke.")
    with pytest.raises(CheckFailed, match="got 503 instead of 400"):
        checks._refusal(client)


def test_log_probs_are_looked_at() -> None:
    client = Client(b"")
    client.data = json.dumps({"token": {"id": 1, "text": "", "log_prob": None}}) + "\n"
    with pytest.raises(CheckFailed, match="None is no log-prob"):
        checks._check_logprobs(client)
