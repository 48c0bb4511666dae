"""What a served model is tried with. Each check is a function that returns what it found, or raises `CheckFailed`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.base import NO_TOKEN
from djl_trtllm.selftest.clients import Client, Clients
from djl_trtllm.selftest.reference import FLOORS, NEW_TOKENS, Answer, Reference, agreement, compare
from djl_trtllm.selftest.shapes import LONGEST_INPUT, LONGEST_OUTPUT
from djl_trtllm.selftest.verdict import CheckFailed

ENOUGH = 0.6
"""Share of a reference's tokens that must be equal, so that near ties cannot hide everything."""


@dataclass(slots=True)
class Trial:
    """A served model with its reference. `margin`: see `reference.MARGINS`; `quantize` is empty without it."""

    clients: Clients
    reference: Reference
    margin: float
    quantize: str = ""
    alone: Sequence[Sequence[int]] = ()

    @property
    def answers(self) -> Sequence[Answer]:
        """The answers that are compared as a whole."""
        return self.reference.answers


def greedy_alone(trial: Trial) -> str:
    """Each prompt by itself continues as transformers continues it."""
    got = []
    for answer in trial.answers:
        client = trial.clients.send(answer.text, max_new_tokens=len(answer.tokens))
        trial.clients.finish()
        got.append(client.tokens)
        _check_logprobs(client)
    trial.alone = got
    return "transformers is not the measure of a quantised model" if trial.quantize else _held(trial, got)


def greedy_together(trial: Trial) -> str:
    """All prompts at once continue as transformers continues them."""
    clients = [trial.clients.send(a.text, max_new_tokens=len(a.tokens)) for a in trial.answers]
    trial.clients.finish()
    got = [client.tokens for client in clients]
    if not trial.quantize:
        return _held(trial, got)
    same = sum(list(mine) == list(theirs) for mine, theirs in zip(got, trial.alone, strict=True))
    return f"{same} of {len(got)} answers are as they were alone"


def quantised_agreement(trial: Trial) -> str:
    """Next tokens of a quantised model agree with the unquantised reference often enough."""
    answers = trial.reference.next_tokens
    clients = [trial.clients.send(answer.text, max_new_tokens=1) for answer in answers]
    trial.clients.finish()
    share = agreement(answers, [client.tokens for client in clients])
    floor = FLOORS[trial.quantize]
    found = f"{share:.0%} of {len(answers)} next tokens as unquantised, the floor is {floor:.0%}"
    if share < floor:
        raise CheckFailed(found)
    return found


def too_long_prompt(trial: Trial) -> str:
    """A prompt over the limit is refused with 400 and both numbers, and its neighbour is served."""
    text = trial.answers[0].text
    neighbour = trial.clients.send(text, max_new_tokens=4)
    client = trial.clients.send((text + " ") * LONGEST_INPUT, max_new_tokens=4)
    trial.clients.finish()
    error = _refusal(client)
    if str(LONGEST_INPUT) not in error:
        raise CheckFailed(f"the refusal does not name the limit of {LONGEST_INPUT} tokens: {error}")
    _same(trial, [neighbour], 4)
    return "refused with 400"


def stop_string(trial: Trial) -> str:
    """Generation ends before a stop string, which is not part of the answer."""
    text = trial.answers[0].text
    whole = trial.clients.send(text, max_new_tokens=NEW_TOKENS)
    trial.clients.finish()
    stop = _middle(whole)
    client = trial.clients.send(text, max_new_tokens=NEW_TOKENS, stop=[stop], details=True)
    trial.clients.finish()
    expected = whole.text[: whole.text.index(stop)]
    if client.text != expected:
        raise CheckFailed("the answer is not what stands before the stop string")
    if client.reason != "stop_sequence":
        raise CheckFailed(f"the finish reason is {client.reason}, not stop_sequence")
    return f"{len(client.lines)} of {NEW_TOKENS} tokens"


def cancel(trial: Trial) -> str:
    """Requests that DJL gives up while they stream end at once, and the next ones are served as before."""
    texts = [answer.text for answer in trial.answers]
    clients = [trial.clients.send(text, max_new_tokens=LONGEST_OUTPUT, ignore_eos=True) for text in texts]
    while not any(client.data for client in clients):
        trial.clients.step()
    trial.clients.forget()
    after = [trial.clients.send(text, max_new_tokens=4) for text in texts]
    trial.clients.finish()
    _same(trial, after, 4)
    return f"{len(clients)} requests given up, then {len(after)} served"


def seeds(trial: Trial) -> str:
    """The same seed draws the same tokens, another seed others."""
    text = trial.answers[0].text

    def draw(seed: int) -> list[int]:
        client = trial.clients.send(
            text, max_new_tokens=NEW_TOKENS, do_sample=True, temperature=2.0, top_k=0, top_p=1.0, seed=seed
        )
        trial.clients.finish()
        return client.tokens

    first = draw(7)
    if draw(7) != first:
        raise CheckFailed("the same seed gave other tokens the second time")
    if all(draw(seed) == first for seed in (8, 9, 10)):
        raise CheckFailed("three other seeds gave the same tokens")
    return "seed 7 twice the same, others differ"


def poisoned_request(trial: Trial) -> str:
    """Requests that are wrong are refused one by one; the good ones between them are served."""
    text = trial.answers[0].text
    bad = (
        b"{",
        b'{"inputs": ""}',
        b'{"inputs": "\xff\xfe"}',
        json.dumps({"inputs": text, "parameters": {"top_k": -1}}).encode(),
        json.dumps({"inputs": text, "parameters": {"max_new_tokens": "many"}}).encode(),
        json.dumps({"inputs": text, "parameters": {"temperature": -5, "do_sample": True}}).encode(),
    )
    good = []
    poisoned = []
    for index, body in enumerate(bad):
        good.append(trial.clients.send(trial.answers[index].text, max_new_tokens=4))
        poisoned.append(trial.clients.send_body(body))
    trial.clients.finish()
    for client in poisoned:
        _refusal(client)
    _same(trial, good, 4)
    return f"{len(poisoned)} refused, {len(good)} served between them"


def of(quantize: str) -> dict[str, Callable[[Trial], str]]:
    """Return the checks of one case by name, in the order in which they are made."""
    agreement = {"agreement": quantised_agreement} if quantize else {}
    return {
        "greedy, alone": greedy_alone,
        "greedy, together": greedy_together,
        **agreement,
        "too long prompt": too_long_prompt,
        "stop string": stop_string,
        "cancel": cancel,
        "seed": seeds,
        "poisoned request": poisoned_request,
    }


def _held(trial: Trial, got: Sequence[Sequence[int]]) -> str:
    comparison = compare(trial.answers, got, trial.margin)
    if comparison.wrong:
        raise CheckFailed(f"{len(comparison.wrong)} answers differ, {comparison}. {comparison.wrong[0]}")
    every = sum(len(answer.tokens) for answer in trial.answers)
    if comparison.equal < ENOUGH * every:
        raise CheckFailed(f"only {comparison} of {every}: too many near ties to tell")
    return str(comparison)


def _check_logprobs(client: Client) -> None:
    tokens = [line["token"] for line in client.lines]
    wrong = [t["log_prob"] for t in tokens if t["id"] != NO_TOKEN and not _is_logprob(t["log_prob"])]
    if wrong:
        raise CheckFailed(f"{wrong[0]!r} is no log-prob")


def _is_logprob(value: object) -> bool:
    return isinstance(value, float | int) and -1e4 < value <= 1e-3


def _refusal(client: Client) -> str:
    if client.error is None:
        raise CheckFailed("a request that is wrong was answered as if it were not")
    if not isinstance(client.error, InvalidRequest):
        raise CheckFailed(f"a request that is wrong got {client.error.status} instead of 400: {client.error}")
    return str(client.error)


def _same(trial: Trial, clients: Sequence[Client], count: int) -> None:
    """Check that answers begin as they did alone; of a quantised model, whose batch may differ, that they came."""
    for client in clients:
        tokens = client.tokens
        if len(tokens) > count or not tokens:
            raise CheckFailed(f"an answer had {len(tokens)} tokens instead of {count}")
    if not trial.quantize:
        alone = [
            Answer(a.text, a.ids, list(mine[:count]), a.gaps[:count])
            for a, mine in zip(trial.answers, trial.alone, strict=True)
        ]
        compared = compare(alone[: len(clients)], [client.tokens for client in clients], trial.margin)
        if compared.wrong:
            raise CheckFailed(f"an answer was not what it was alone: {compared.wrong[0]}")


def _middle(client: Client) -> str:
    """Return text from the middle of an answer that comes there for the first time."""
    whole = client.text
    texts = [str(line["token"]["text"]) for line in client.lines]
    half = len(texts) // 2
    for place in (*range(half, len(texts)), *range(1, half)):
        text: str = texts[place]
        if text.strip() and "\ufffd" not in text and len("".join(texts[:place])) == whole.find(text):
            return text
    raise CheckFailed("no text in the answer can serve as a stop string")
