"""The sampling parameters of a request: names, types and ranges, once. The fields of `Parameters` are the table.

Decoding, error texts and docs/requests.md come from here. Names are those of LMI's input schema (LMI v9 to
DJL-Serving 0.36) with the spellings that TGI and TensorRT-LLM clients use. `null` is the same as not set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta

MAX_TOKENS = 2**31 - 1
MAX_STOPS = 64
MAX_STOP_CHARACTERS = 1024


def whole(low: int, high: int, text: str) -> Meta:
    """Whole numbers from `low` to `high`."""
    return Meta(ge=low, le=high, description=text, extra={"allowed": f"a whole number from {low} to {high}"})


def between(low: float, high: float, text: str) -> Meta:
    """Numbers from `low` to `high`."""
    return Meta(ge=low, le=high, description=text, extra={"allowed": f"a number from {low:g} to {high:g}"})


def says(allowed: str, text: str) -> Meta:
    """Anything of the type; `allowed` is how to call it."""
    return Meta(description=text, extra={"allowed": allowed})


Flag = "true or false"
Stop = Annotated[str, Meta(min_length=1, max_length=MAX_STOP_CHARACTERS)]
Stops = Annotated[list[Stop], Meta(max_length=MAX_STOPS)]
_STOPS = f"a text or a list of at most {MAX_STOPS} texts, each of 1 to {MAX_STOP_CHARACTERS} characters"
_SAMPLING = "Only with do_sample."


# Rows read best as a table.
# fmt: off
class Parameters(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The `parameters` object of a body; None is what a request did not set."""

    max_new_tokens: Annotated[int, whole(1, MAX_TOKENS,
        "Most new tokens; lowered to `max_output_len`. 30, or `default_max_new_tokens`, when not set.")] | None = None
    min_new_tokens: Annotated[int, whole(0, MAX_TOKENS, "No end of text before so many tokens.")] | None = None
    min_length: Annotated[int, whole(0, MAX_TOKENS, "The same as min_new_tokens.")] | None = None
    do_sample: Annotated[bool, says(Flag, "Draw tokens at random; false takes the likeliest.")] | None = None
    temperature: Annotated[float, between(0, 100, "Below 0.01 is greedy. " + _SAMPLING)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=MAX_TOKENS, description="Draw from the k likeliest; 0 is no filter. "
        + _SAMPLING, extra={"allowed": f"a whole number from 0 (no filter) to {MAX_TOKENS}"})] | None = None
    top_p: Annotated[float, between(0, 1,
        "Draw from the likeliest that make up p; 1 is no filter, 0 is greedy. " + _SAMPLING)] | None = None
    min_p: Annotated[float, Meta(ge=0, lt=1, description="Drop what is less likely than this share of the likeliest. "
        + _SAMPLING, extra={"allowed": "a number from 0 to below 1"})] | None = None
    repetition_penalty: Annotated[float, between(0.01, 100, "Above 1 makes repeating less likely.")] | None = None
    presence_penalty: Annotated[float, between(-2, 2, "Above 0 favours tokens not seen yet.")] | None = None
    frequency_penalty: Annotated[float, between(-2, 2, "Above 0 disfavours tokens that came often.")] | None = None
    length_penalty: Annotated[float, between(-10, 10, "Beam search only.")] | None = None
    seed: Annotated[int, says("a whole number",
        "Same seed, same draw. Any size; reduced to 63 bits. The server draws one when not set.")] | None = None
    stop: Annotated[Stop | Stops, says(_STOPS, "Texts that end the answer; they are not part of it.")] | None = None
    stop_sequences: Annotated[Stop | Stops, says(_STOPS, "The same as stop; both together count.")] | None = None
    ignore_eos_token: Annotated[bool, says(Flag, "Go on after the end-of-text token.")] | None = None
    ignore_eos: Annotated[bool, says(Flag, "The same as ignore_eos_token.")] | None = None
    num_beams: Annotated[int, whole(1, 64,
        "Beam search; only the width that the engine is set to (max_beam_width).")] | None = None
    n: Annotated[int, whole(1, 128, "Answers of one request; only 1 now.")] | None = None
    best_of: Annotated[int, whole(1, 128, "Answers to choose from; only 1 now.")] | None = None
    bad_sequences: Annotated[Stop | Stops, says(_STOPS, "Texts that must not come; not supported now.")] | None = None
    top_n_tokens: Annotated[int, whole(0, 100, "Alternatives of each token; only 0 now.")] | None = None
    decoder_input_details: Annotated[bool, says(Flag, "Details of the prompt's tokens; only false now.")] | None = None
    details: Annotated[bool, says(Flag, "Add finish reason, counts and tokens to the answer.")] | None = None
    return_full_text: Annotated[bool, says(Flag, "Begin the answer with the prompt.")] | None = None
    truncate: Annotated[int, whole(1, MAX_TOKENS, "Keep only the last so many tokens of the prompt.")] | None = None
    output_formatter: Annotated[str, says("the name of a response format", "Response format.")] | None = None
    skip_special_tokens: Annotated[bool, says(Flag, "Leave special tokens out; true when not set.")] | None = None
    stream: Annotated[bool, says(Flag, "The same as `stream` beside `inputs`, which wins.")] | None = None
# fmt: on


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table, ready for checking a single value."""

    name: str
    type: Any
    allowed: str
    meaning: str


def _rules() -> Iterator[Rule]:
    for name, hint in get_type_hints(Parameters, include_extras=True).items():
        meta = next(arg.__metadata__[-1] for arg in hint.__args__ if hasattr(arg, "__metadata__"))
        yield Rule(name, hint, meta.extra["allowed"], meta.description)


RULES: Mapping[str, Rule] = {rule.name: rule for rule in _rules()}


def markdown() -> str:
    """Return the table for docs/requests.md."""
    lines = ["| parameter | value | meaning |", "|---|---|---|"]
    lines += [f"| `{rule.name}` | {rule.allowed} | {rule.meaning} |" for rule in RULES.values()]
    return "\n".join(lines)


UNSUPPORTED: Mapping[str, str] = {
    "guided_choice": "guided decoding",
    "guided_decoding": "guided decoding",
    "guided_grammar": "guided decoding",
    "guided_json": "guided decoding",
    "guided_regex": "guided decoding",
    "grammar": "guided decoding",
    "response_format": "guided decoding",
    "logit_bias": "biasing of tokens",
}
"""Parameters of other servers that would change the answer: ignoring them would be a lie."""
