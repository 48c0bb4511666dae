"""OpenAI's chat completions (`/v1/chat/completions`, API reference 2024 to 2025), with vLLM's further parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from djl_trtllm.core import Features, Prompt, Request, ToolChoice
from djl_trtllm.schemas import abilities, answers, openai_parameters, texts
from djl_trtllm.schemas.arrived import Arrived
from djl_trtllm.schemas.guides import Named, guide_of
from djl_trtllm.schemas.identity import response_of
from djl_trtllm.schemas.kinds import FLAG, JSON_OBJECT, MAX_ITEMS, MAX_TOKENS, Ignored, says, whole
from djl_trtllm.schemas.messages import Message
from djl_trtllm.schemas.openai_parameters import OpenAIParameters
from djl_trtllm.schemas.sampling import Sampling
from djl_trtllm.schemas.site import Site
from djl_trtllm.schemas.tools import Offer, Tool, offer
from djl_trtllm.schemas.written import write_prompt

Messages = Annotated[list[Message], msgspec.Meta(max_length=MAX_ITEMS)]
Tools = Annotated[list[Tool], msgspec.Meta(max_length=MAX_ITEMS)]


# Rows read best as a table.
# fmt: off
class Body(OpenAIParameters, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A body with everything in its place."""

    messages: Annotated[Messages, says(f"a list of at most {MAX_ITEMS} messages",
        "What was said; see above.")] | None = None
    max_completion_tokens: Annotated[int, whole(1, MAX_TOKENS, "The same as max_tokens; its newer name.")] | None = None
    logprobs: Annotated[bool, says(FLAG, "Add the log-probabilities of the tokens.")] | None = None
    top_logprobs: Annotated[int, whole(0, 20,
        "With logprobs: so many alternatives of each token, where the engine can.")] | None = None
    tools: Annotated[Tools, says(f"a list of at most {MAX_ITEMS} tools",
        "Functions that the answer may call.")] | None = None
    tool_choice: Annotated[str | dict[str, Any], says("a text or an object",
        "`none`, `auto`, `required`, or the function to call.")] | None = None
    parallel_tool_calls: Annotated[bool, says(FLAG,
        "With tool_choice `required`: false for one call only.")] | None = None
    documents: Annotated[list[dict[str, Any]], says("a list of objects", "For templates that know them.")] | None = None
    chat_template_kwargs: Annotated[dict[str, Any], says(JSON_OBJECT,
        "Further variables for the chat template, such as `enable_thinking`.")] | None = None
    add_generation_prompt: Annotated[bool, says(FLAG,
        "Begin the assistant's turn after the messages; true when not set.")] | None = None
    continue_final_message: Annotated[bool, says(FLAG,
        "Go on with the last message instead of answering it.")] | None = None

    modalities: Ignored = None
    prediction: Ignored = None
    reasoning_effort: Ignored = None
    verbosity: Ignored = None
# fmt: on


UNSUPPORTED: Mapping[str, str] = {
    **openai_parameters.UNSUPPORTED,
    "audio": "audio",
    "best_of": "choosing among answers in chats",
    "chat_template": "templates of clients",
    "echo": "echo in chats",
    "function_call": "function_call; send tool_choice",
    "functions": "functions; send tools",
    "web_search_options": "search",
}

decode = msgspec.json.Decoder(Body).decode


def request(arrived: Arrived[Body], site: Site) -> Request:
    """Return what a body asks for; problems and warnings go to `arrived`."""
    given, problems, features = arrived.given, arrived.problems, site.features
    offered = offer(given.tools, given.tool_choice, given.parallel_tool_calls, problems)
    stream = given.stream is True
    output_format = answers.chat(given.output_formatter, stream, arrived.accept, site.defaults, problems)
    streaming = answers.streams(output_format, stream)
    n, sequences = abilities.answers(given.n, None, 1, streaming, site.limits, features, problems)
    sampling = Sampling(site.defaults, site.limits, features, arrived.seed, problems, arrived.warnings)
    top = _logprobs(given, sampling, features, problems)
    name, wanted = _length(given, problems)
    params = sampling.of_openai(given, name, wanted)
    if streaming and params.num_beams > 1:
        problems.append(f"The {params.num_beams} beams of this engine cannot stream; send stream=false.")
    abilities.bad_words("bad_words", bool(given.bad_words), features, problems)
    guide = guide_of(given, site.defaults, features, problems, _bound(offered))
    stops = texts.joined(problems, stop=given.stop)
    bad_sequences = texts.joined(problems, bad_words=given.bad_words)
    prompt = Prompt(write_prompt(arrived, offered, site), special=given.add_special_tokens is True)
    tools = offered.choice is not ToolChoice.NONE
    return Request(
        prompts=[prompt],
        sampling=params,
        output_format=output_format,
        n=n,
        sequences=sequences,
        stops=stops,
        include_stop=given.include_stop_str_in_output is True,
        bad_sequences=bad_sequences,
        guide=guide,
        stream=stream,
        truncate=given.truncate_prompt_tokens,
        # Marks around tool calls are special tokens in many models.
        skip_special_tokens=given.skip_special_tokens is not False and not tools,
        openai=response_of(
            "chatcmpl-",
            given,
            site.defaults,
            logprobs=given.logprobs is True,
            top_logprobs=top,
            tools=offered.choice,
            tool=offered.name,
        ),
        length_asked=wanted is not None,
        warnings=tuple(arrived.warnings),
    )


def _logprobs(given: Body, sampling: Sampling, features: Features, problems: list[str]) -> int:
    """Ask for what the answer shows of log-probabilities; return how many alternatives of each token."""
    sampling.logprobs = abilities.logprobs("logprobs", given.logprobs is True, features, problems)
    top = given.top_logprobs or 0
    if top and not given.logprobs:
        problems.append("top_logprobs needs logprobs=true.")
    elif top:
        sampling.top_logprobs = abilities.alternatives("top_logprobs", top, features, problems)
    return top


def _length(given: Body, problems: list[str]) -> tuple[str, int | None]:
    old, new = given.max_tokens, given.max_completion_tokens
    if old is not None and new is not None and old != new:
        problems.append(
            f"max_tokens={old} and max_completion_tokens={new} contradict each other; send one of them."
        )
    return ("max_tokens", old) if new is None else ("max_completion_tokens", new)


def _bound(offered: Offer) -> list[Named]:
    name = "tool_choice=required" if offered.choice is ToolChoice.REQUIRED else "a named tool_choice"
    return [] if offered.guide is None else [(name, offered.guide)]
