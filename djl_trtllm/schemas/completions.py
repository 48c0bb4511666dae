"""OpenAI's completions (`/v1/completions`, API reference 2024 to 2025), with vLLM's further parameters.

Unlike there, `max_tokens` is not 16 when it is not set but what the context leaves, as in chats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from djl_trtllm.core import Prompt, Request
from djl_trtllm.options.table import MAX_SLOTS
from djl_trtllm.schemas import abilities, answers, openai_parameters, texts
from djl_trtllm.schemas.arrived import Arrived
from djl_trtllm.schemas.guides import guide_of
from djl_trtllm.schemas.identity import response_of
from djl_trtllm.schemas.kinds import FLAG, TEXT, says, whole
from djl_trtllm.schemas.openai_parameters import OpenAIParameters
from djl_trtllm.schemas.sampling import Sampling
from djl_trtllm.schemas.site import Site

Ids = list[int]
_MANY = 8
_PROMPT = "a text, a list of texts, a list of token ids or a list of such lists"


# Rows read best as a table.
# fmt: off
class Body(OpenAIParameters, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A body with everything in its place."""

    prompt: Annotated[str | list[str | int | Ids], says(_PROMPT, "What to continue.")] | None = None
    best_of: Annotated[int, whole(1, 128,
        "Answers to choose the n likeliest from. Not with streaming.")] | None = None
    logprobs: Annotated[int, whole(0, 5,
        "Log-probabilities of the tokens, and so many alternatives of each, where the engine can.")] | None = None
    echo: Annotated[bool, says(FLAG, "Begin the answer with the prompt.")] | None = None
    suffix: Annotated[str, says(TEXT, "What follows the answer; only empty.")] | None = None
# fmt: on


UNSUPPORTED: Mapping[str, str] = {**openai_parameters.UNSUPPORTED, "prompt_embeds": "prompts as embeddings"}

decode = msgspec.json.Decoder(Body).decode


def request(arrived: Arrived[Body], site: Site) -> Request:
    """Return what a body asks for; problems and warnings go to `arrived`."""
    given, problems, features = arrived.given, arrived.problems, site.features
    prompts, count = _prompts(arrived, site)
    stream, echo, asks = given.stream is True, given.echo is True, given.logprobs is not None
    n, sequences = abilities.answers(given.n, given.best_of, count, stream, site.limits, features, problems)
    sampling = Sampling(site.defaults, site.limits, features, arrived.seed, problems, arrived.warnings)
    sampling.logprobs = abilities.logprobs("logprobs", asks, features, problems) or sequences > n
    if given.logprobs:
        sampling.top_logprobs = abilities.alternatives("logprobs", given.logprobs, features, problems)
    if echo and asks:
        if stream:
            problems.append("echo with logprobs cannot stream; send stream=false.")
        sampling.prompt_logprobs = abilities.prompt_logprobs("echo with logprobs", True, features, problems)
    if given.suffix:
        problems.append("suffix is not supported: this server writes what follows a prompt; leave it out.")
    if echo:
        _fill_texts(prompts, site, problems)
    params = sampling.of_openai(given, "max_tokens", given.max_tokens)
    if stream and params.num_beams > 1:
        problems.append(f"The {params.num_beams} beams of this engine cannot stream; send stream=false.")
    abilities.bad_words("bad_words", bool(given.bad_words), features, problems)
    return Request(
        prompts=prompts,
        sampling=params,
        output_format=answers.completions(given.output_formatter, problems),
        n=n,
        sequences=sequences,
        listed=len(prompts) > 1,
        stops=texts.joined(problems, stop=given.stop),
        include_stop=given.include_stop_str_in_output is True,
        bad_sequences=texts.joined(problems, bad_words=given.bad_words),
        guide=guide_of(given, site.defaults, features, problems),
        stream=stream,
        truncate=given.truncate_prompt_tokens,
        skip_special_tokens=given.skip_special_tokens is not False,
        openai=response_of(
            "cmpl-", given, site.defaults, logprobs=asks, top_logprobs=given.logprobs or 0, echo=echo
        ),
        length_asked=given.max_tokens is not None,
        warnings=tuple(arrived.warnings),
    )


def _prompts(arrived: Arrived[Body], site: Site) -> tuple[list[Prompt], int]:
    """Return the prompts and how many were sent; of more than can ever run only the first."""
    given, problems = arrived.given, arrived.problems
    prompt, special = given.prompt, given.add_special_tokens is not False
    if isinstance(prompt, str):
        if prompt:
            texts.check("prompt", prompt, problems)
        else:
            problems.append("prompt is empty: send at least one character.")
        return [Prompt(prompt, special=special)], 1
    if prompt is None:
        if not arrived.blamed("prompt"):
            problems.append("prompt is missing: send a text.")
        return [Prompt()], 1
    kinds, count = set(map(type, prompt)), len(prompt)
    first = prompt[:MAX_SLOTS]
    if kinds == {str}:
        many = [one for one in first if isinstance(one, str)]
        texts.check_prompts("prompt", many, problems)
        return [Prompt(one, special=special) for one in many], count
    size = site.limits.vocab_size.value
    if kinds == {int}:
        return [Prompt(ids=_checked("prompt", prompt, size, problems))], 1
    if kinds == {list}:
        return [
            Prompt(ids=_checked(f"prompt[{i}]", ids, size, problems)) for i, ids in enumerate(first)
        ], count
    problems.append(f"prompt must be {_PROMPT}, and not empty.")
    return [Prompt()], 1


def _checked(name: str, ids: Any, size: int, problems: list[str]) -> Ids:
    """Return the token ids of a prompt; wrong ones go to `problems`, for the first few prompts."""
    known: Ids = ids
    if len(problems) < _MANY:
        if not known:
            problems.append(f"{name} is empty: send at least one token id.")
        elif min(known) < 0 or max(known) >= size:
            problems.append(
                f"{name} has token ids that the model does not have: they go from 0 to {size - 1}."
            )
    return known


def _fill_texts(prompts: list[Prompt], site: Site, problems: list[str]) -> None:
    """Give prompts that came as token ids the text that is repeated in the answer."""
    for prompt in prompts:
        if prompt.ids and not problems:
            if site.decode is None:
                problems.append("echo is not supported with token ids; send the prompt as a text.")
            else:
                prompt.text = site.decode(prompt.ids)
