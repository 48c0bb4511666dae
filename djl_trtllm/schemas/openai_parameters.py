"""What OpenAI's two schemas have in common, with the further parameters that vLLM's clients use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from djl_trtllm.schemas.guided import Guided
from djl_trtllm.schemas.kinds import (
    BIASES,
    FLAG,
    JSON_OBJECT,
    MAX_NAME,
    MAX_TOKENS,
    STOPS,
    Biases,
    Ignored,
    Name,
    Stop,
    Stops,
    between,
    says,
    whole,
)


class StreamOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """OpenAI's `stream_options`; what else it may hold has no effect here."""

    include_usage: (
        Annotated[bool, says(FLAG, "End a stream with a chunk that has the token counts.")] | None
    ) = None


# Rows read best as a table.
# fmt: off
class OpenAIParameters(Guided, frozen=True, kw_only=True):
    """Parameters of both; None is what a request did not set."""

    model: Annotated[Name, says(f"a text of at most {MAX_NAME} characters",
        "Repeated in the answer; the server has one model.")] | None = None
    max_tokens: Annotated[int, whole(1, MAX_TOKENS,
        "Most new tokens; lowered to `max_output_len`. What the context leaves when not set.")] | None = None
    temperature: Annotated[float, between(0, 2, "1 when not set; below 0.01 is greedy.")] | None = None
    top_p: Annotated[float, between(0, 1,
        "Draw from the likeliest that make up p; 1 when not set, 0 is greedy.")] | None = None
    n: Annotated[int, whole(1, 128, "Answers to each prompt.")] | None = None
    stop: Annotated[Stop | Stops, says(STOPS, "Texts that end the answer; they are not part of it.")] | None = None
    stream: Annotated[bool, says(FLAG, "Send the answer in parts, as server-sent events.")] | None = None
    stream_options: Annotated[StreamOptions, says(JSON_OBJECT,
        "`include_usage`: end the stream with the token counts.")] | None = None
    seed: Annotated[int, says("a whole number",
        "Same seed, same draw. Any size; reduced to 63 bits. The server draws one when not set.")] | None = None
    presence_penalty: Annotated[float, between(-2, 2, "Above 0 favours tokens not seen yet.")] | None = None
    frequency_penalty: Annotated[float, between(-2, 2, "Above 0 disfavours tokens that came often.")] | None = None
    logit_bias: Annotated[Biases, says(BIASES, "Added to the logits of tokens, where the engine can.")] | None = None

    top_k: Annotated[int, whole(-1, MAX_TOKENS, "Draw from the k likeliest; 0 and -1 are no filter.")] | None = None
    min_p: Annotated[float, Meta(ge=0, lt=1, description="Drop what is less likely than this share of the likeliest.",
        extra={"allowed": "a number from 0 to below 1"})] | None = None
    repetition_penalty: Annotated[float, between(0.01, 100, "Above 1 makes repeating less likely.")] | None = None
    length_penalty: Annotated[float, between(-10, 10, "Beam search only.")] | None = None
    min_tokens: Annotated[int, whole(0, MAX_TOKENS, "No end of text before so many tokens.")] | None = None
    ignore_eos: Annotated[bool, says(FLAG, "Go on after the end-of-text token.")] | None = None
    include_stop_str_in_output: Annotated[bool, says(FLAG, "Leave the stop text in the answer.")] | None = None
    skip_special_tokens: Annotated[bool, says(FLAG, "Leave special tokens out; true when not set.")] | None = None
    add_special_tokens: Annotated[bool, says(FLAG,
        "Put the tokenizer's special tokens around a prompt: true for texts, false for chats, whose template does it."
        )] | None = None
    bad_words: Annotated[Stop | Stops, says(STOPS, "Texts that must not come, where the engine can.")] | None = None
    truncate_prompt_tokens: Annotated[int, whole(1, MAX_TOKENS,
        "Keep only the last so many tokens of the prompt.")] | None = None
    output_formatter: Annotated[str, says("the name of a response format", "See responses.md.")] | None = None

    user: Ignored = None
    metadata: Ignored = None
    store: Ignored = None
    service_tier: Ignored = None
    safety_identifier: Ignored = None
    prompt_cache_key: Ignored = None
    request_id: Ignored = None
    priority: Ignored = None
# fmt: on


UNSUPPORTED: Mapping[str, str] = {
    "allowed_token_ids": "lists of allowed tokens",
    "logits_processors": "processors of logits; see logit_bias",
    "prompt_logprobs": "such details; send echo and logprobs with a prompt",
    "stop_token_ids": "stops by token id; send stop",
    "use_beam_search": "beam search by request",
}
"""Parameters of other servers that would change the answer: ignoring them would be a lie."""
