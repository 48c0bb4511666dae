"""The `parameters` of LMI's schema: names, types and ranges, once. The fields of `Parameters` are the table.

Decoding, error texts and docs/requests.md come from here. Names are those of LMI's input schema (LMI v9 to
DJL-Serving 0.36) with the spellings that TGI, vLLM and TensorRT-LLM clients use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from djl_trtllm.schemas.guided import Guided
from djl_trtllm.schemas.kinds import (
    BIASES,
    FLAG,
    JSON_OBJECT,
    MAX_TOKENS,
    STOPS,
    Biases,
    Stop,
    Stops,
    between,
    says,
    whole,
)

_SAMPLING = "Only with do_sample."


# Rows read best as a table.
# fmt: off
class Parameters(Guided, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The `parameters` object of a body; None is what a request did not set."""

    max_new_tokens: Annotated[int, whole(1, MAX_TOKENS,
        "Most new tokens; lowered to `max_output_len`. 30, or `default_max_new_tokens`, when not set.")] | None = None
    min_new_tokens: Annotated[int, whole(0, MAX_TOKENS, "No end of text before so many tokens.")] | None = None
    min_length: Annotated[int, whole(0, MAX_TOKENS, "The same as min_new_tokens.")] | None = None
    do_sample: Annotated[bool, says(FLAG, "Draw tokens at random; false takes the likeliest.")] | None = None
    temperature: Annotated[float, between(0, 100, "Below 0.01 is greedy. " + _SAMPLING)] | None = None
    top_k: Annotated[int, whole(0, MAX_TOKENS, "Draw from the k likeliest; 0 is no filter. " + _SAMPLING,
        " (no filter)")] | None = None
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
    stop: Annotated[Stop | Stops, says(STOPS, "Texts that end the answer; they are not part of it.")] | None = None
    stop_sequences: Annotated[Stop | Stops, says(STOPS, "The same as stop; both together count.")] | None = None
    include_stop_str_in_output: Annotated[bool, says(FLAG, "Leave the stop text in the answer.")] | None = None
    bad_sequences: Annotated[Stop | Stops, says(STOPS, "Texts that must not come, where the engine can.")] | None = None
    logit_bias: Annotated[Biases, says(BIASES,
        "Added to the logits of tokens, where the engine can.")] | None = None
    ignore_eos_token: Annotated[bool, says(FLAG, "Go on after the end-of-text token.")] | None = None
    ignore_eos: Annotated[bool, says(FLAG, "The same as ignore_eos_token.")] | None = None
    num_beams: Annotated[int, whole(1, 64,
        "Beam search; only the width that the engine is set to (max_beam_width).")] | None = None
    n: Annotated[int, whole(1, 128, "Answers to each prompt.")] | None = None
    best_of: Annotated[int, whole(1, 128,
        "Answers to choose the n likeliest from. Not with streaming.")] | None = None
    details: Annotated[bool, says(FLAG, "Add finish reason, counts and tokens to the answer.")] | None = None
    top_n_tokens: Annotated[int, whole(0, 100,
        "So many alternatives of each token in the details, where the engine can.")] | None = None
    decoder_input_details: Annotated[bool, says(FLAG,
        "The prompt's tokens in the details, where the engine can. Not with streaming.")] | None = None
    return_full_text: Annotated[bool, says(FLAG, "Begin the answer with the prompt.")] | None = None
    truncate: Annotated[int, whole(1, MAX_TOKENS, "Keep only the last so many tokens of the prompt.")] | None = None
    output_formatter: Annotated[str, says("the name of a response format",
        "`json`, `jsonlines`, `sse`, `tgi` or `text`.")] | None = None
    skip_special_tokens: Annotated[bool, says(FLAG, "Leave special tokens out; true when not set.")] | None = None
    stream: Annotated[bool, says(FLAG, "The same as `stream` beside `inputs`, which wins.")] | None = None
    grammar: Annotated[dict[str, Any], says(JSON_OBJECT,
        "TGI's: `type` `json`, `json_object`, `json_schema` or `regex`, and its `value`.")] | None = None
# fmt: on


UNSUPPORTED: Mapping[str, str] = {
    "adapter_id": "adapters",
    "adapters": "adapters",
    "allowed_token_ids": "lists of allowed tokens",
    "stop_token_ids": "stops by token id; send stop",
    "typical_p": "typical sampling",
    "use_beam_search": "beam search by request; see num_beams",
    "watermark": "watermarks",
}
"""Parameters of other servers that would change the answer: ignoring them would be a lie."""
