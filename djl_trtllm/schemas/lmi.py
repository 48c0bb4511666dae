"""LMI's request schema: `{"inputs": "...", "parameters": {...}, "stream": false}`, or the prompt as plain text.

As in LMI's documents (v9 to DJL-Serving 0.36) and, for details, grammars and lists of prompts, as TGI and vLLM have
them.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from djl_trtllm.core import Prompt, Request, SamplingParams
from djl_trtllm.options.table import MAX_SLOTS
from djl_trtllm.schemas import abilities, answers, texts
from djl_trtllm.schemas.arrived import Arrived
from djl_trtllm.schemas.guides import guide_of
from djl_trtllm.schemas.kinds import FLAG, JSON_OBJECT, says
from djl_trtllm.schemas.parameters import Parameters
from djl_trtllm.schemas.sampling import Sampling
from djl_trtllm.schemas.site import Site


# Rows read best as a table.
# fmt: off
class Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A body with everything in its place."""

    inputs: Annotated[str | list[str], says("a text or a list of texts",
        "The prompt, not empty; or several, answered by a list.")] | None = None
    parameters: Annotated[Parameters, says(JSON_OBJECT, "See below.")] | None = None
    stream: Annotated[bool, says(FLAG, "Send the answer in parts, as it is generated.")] | None = None
# fmt: on


decode = msgspec.json.Decoder(Body).decode
_NONE = Parameters()


def request(arrived: Arrived[Body], site: Site) -> Request:
    """Return what a body asks for, the ids of its prompts still empty; problems and warnings go to `arrived`."""
    body, problems = arrived.given, arrived.problems
    given = body.parameters or _NONE
    prompts = _prompts(arrived)
    stream = bool(given.stream if body.stream is None else body.stream)
    output_format = answers.lmi(given.output_formatter, stream, arrived.accept, site.defaults, problems)
    streaming = answers.streams(output_format, stream)
    count = len(body.inputs) if isinstance(body.inputs, list) else 1
    n, sequences = 1, 1
    if given.n is not None or given.best_of is not None or count > 1:
        n, sequences = abilities.answers(
            given.n, given.best_of, count, streaming, site.limits, site.features, problems
        )
    if output_format == "tgi" and given.n is None:
        n = sequences  # TGI shows all of them, the best first
    if sequences > n and ":" in output_format:
        problems.append(
            "best_of is not supported: this server's own format writes every answer; leave it out."
        )
    details = site.defaults.tgi_compat if given.details is None else given.details
    # Several answers are told apart by their details, which are there whether asked for or not.
    detailed = details or (n > 1 and output_format != "text")
    sampling = _sampling(arrived, site, output_format, streaming, detailed=detailed, scored=sequences > n)
    if output_format == "text" and (details or n > 1 or isinstance(body.inputs, list)):
        problems.append(
            "The format text is one answer without anything else: leave out details, n and lists."
        )
    bad_sequences: tuple[str, ...] = ()
    if given.bad_sequences:
        bad_sequences = texts.joined(problems, bad_sequences=given.bad_sequences)
        abilities.bad_words("bad_sequences", True, site.features, problems)
    stops: tuple[str, ...] = ()
    if given.stop is not None or given.stop_sequences is not None:
        stops = texts.joined(problems, stop=given.stop, stop_sequences=given.stop_sequences)
    return Request(
        prompts=prompts,
        sampling=sampling,
        output_format=output_format,
        n=n,
        sequences=sequences,
        listed=isinstance(body.inputs, list),
        stops=stops,
        include_stop=given.include_stop_str_in_output is True,
        bad_sequences=bad_sequences,
        guide=guide_of(given, site.defaults, site.features, problems),
        stream=stream,
        details=details,
        return_full_text=given.return_full_text is True,
        truncate=given.truncate,
        skip_special_tokens=given.skip_special_tokens is not False,
        length_asked=given.max_new_tokens is not None,
        warnings=tuple(arrived.warnings),
    )


def seeded(arrived: Arrived[Body]) -> bool:
    """Whether the client has sent a seed of its own."""
    return arrived.given.parameters is not None and arrived.given.parameters.seed is not None


def _prompts(arrived: Arrived[Body]) -> list[Prompt]:
    inputs, problems = arrived.given.inputs, arrived.problems
    if isinstance(inputs, str):
        if inputs:
            texts.check("inputs", inputs, problems)
        else:
            problems.append("inputs is empty: send at least one character.")
        return [Prompt(inputs)]
    if inputs is None:
        if not arrived.blamed("inputs"):
            problems.append("inputs is missing: send the prompt as a text.")
        return [Prompt()]
    if not inputs:
        problems.append("inputs is an empty list: send at least one prompt.")
    texts.check_prompts("inputs", inputs, problems)
    return [Prompt(text) for text in inputs[:MAX_SLOTS]]


def _sampling(
    arrived: Arrived[Body], site: Site, output_format: str, streaming: bool, *, detailed: bool, scored: bool
) -> SamplingParams:
    given, problems = arrived.given.parameters or _NONE, arrived.problems
    sampling = Sampling(site.defaults, site.limits, site.features, arrived.seed, problems, arrived.warnings)
    shows_tokens = detailed or (streaming and output_format != "text")
    sampling.logprobs = shows_tokens or scored or ":" in output_format
    if given.top_n_tokens:
        if shows_tokens:
            count = abilities.alternatives("top_n_tokens", given.top_n_tokens, site.features, problems)
            sampling.top_logprobs = count
        else:
            arrived.warnings.append("top_n_tokens has no effect without details=true or streaming.")
    if given.decoder_input_details:
        if streaming:
            problems.append("decoder_input_details cannot stream; send stream=false.")
        elif detailed:
            sampling.prompt_logprobs = abilities.prompt_logprobs(
                "decoder_input_details", True, site.features, problems
            )
        else:
            arrived.warnings.append("decoder_input_details has no effect without details=true.")
    params = sampling.of_lmi(given)
    if streaming and params.num_beams > 1:
        problems.append(f"The {params.num_beams} beams of this engine cannot stream; send stream=false.")
    return params
