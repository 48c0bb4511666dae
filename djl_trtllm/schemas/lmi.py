"""LMI's request schema: `{"inputs": "...", "parameters": {...}, "stream": false}`, or the prompt as plain text.

A good body is decoded and checked in one go. Only when that fails is it read again, slowly, to list everything
that is wrong. `null` counts as not set, the last of two equal keys wins, NaN and Infinity are not JSON.
"""

from __future__ import annotations

import msgspec

from djl_trtllm.core import Features, Limits, Prompt, Request
from djl_trtllm.errors import BodyTooLarge, InvalidRequest
from djl_trtllm.schemas import careful
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.parameters import Parameters
from djl_trtllm.schemas.sampling import sampling_params

__all__ = ["MAX_BODY_BYTES", "Body", "Defaults", "parse"]

MAX_BODY_BYTES = 20 * 1024 * 1024
"""DJL's own limit for one message between Java and Python."""


class Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A body with everything in its place."""

    inputs: str
    parameters: Parameters | None = None
    stream: bool | None = None


_DECODE = msgspec.json.Decoder(Body).decode
_NONE = Parameters()


def parse(
    body: bytes,
    content_type: str,
    accept: str,
    defaults: Defaults,
    limits: Limits,
    features: Features,
    seed: int | None,
) -> Request:
    """Return the request in `body`, the ids of its prompts still empty.

    `seed` is the server's, for a request without its own. Raises `BodyTooLarge`, or `InvalidRequest` with every
    problem. What was ignored or changed is in `Request.warnings`.
    """
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"The body has {len(body)} bytes; the limit is 20 MiB ({MAX_BODY_BYTES} bytes).")
    problems: list[str] = []
    warnings: list[str] = []
    if content_type[:10].lower() == "text/plain":
        given = Body(_plain(body))
    else:
        try:
            given = _DECODE(body)
        except careful.UNREADABLE:
            given = _read_carefully(body, defaults, problems, warnings)
    if not given.inputs and not problems:
        problems.append("inputs is empty: send at least one character.")
    request = _request(given, defaults, limits, features, seed, problems, warnings)
    if problems:
        raise InvalidRequest(*problems)
    return request


def _plain(body: bytes) -> str:
    try:
        return bytes(body).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not UTF-8.") from None


def _read_carefully(body: bytes, defaults: Defaults, problems: list[str], warnings: list[str]) -> Body:
    fields = careful.read_object(bytes(body))
    unknown = problems if defaults.unknown_parameters == "reject" else warnings
    inputs = careful.read_inputs(fields, problems)
    parameters = careful.read_parameters(fields, problems, unknown)
    return Body(inputs, Parameters(**parameters), careful.read_stream(fields, problems))


def _request(
    body: Body,
    defaults: Defaults,
    limits: Limits,
    features: Features,
    seed: int | None,
    problems: list[str],
    warnings: list[str],
) -> Request:
    given = body.parameters or _NONE
    stream = bool(given.stream if body.stream is None else body.stream)
    output_format = given.output_formatter or defaults.output_formatter or ("jsonlines" if stream else "json")
    details = given.details is True
    sampling = sampling_params(
        given,
        defaults,
        limits,
        features,
        seed,
        logprobs=details or output_format != "json",
        problems=problems,
        warnings=warnings,
    )
    if given.n or given.best_of or given.bad_sequences or given.top_n_tokens or given.decoder_input_details:
        _refuse(given, problems)
    if stream and sampling.num_beams > 1:
        problems.append(f"The {sampling.num_beams} beams of this engine cannot stream; send stream=false.")
    return Request(
        prompts=[Prompt(body.inputs)],
        sampling=sampling,
        output_format=output_format,
        stops=_stops(given),
        stream=stream,
        details=details,
        return_full_text=given.return_full_text is True,
        truncate=given.truncate,
        skip_special_tokens=given.skip_special_tokens is not False,
        length_asked=given.max_new_tokens is not None,
        warnings=tuple(warnings),
    )


def _refuse(given: Parameters, problems: list[str]) -> None:
    """Refuse what would change the answer and that no engine here does yet."""
    for name, harmless in (("n", 1), ("best_of", 1), ("top_n_tokens", 0), ("decoder_input_details", False)):
        value = getattr(given, name)
        if value is not None and value != harmless:
            problems.append(f"{name}={str(value).lower()} is not supported by this server; leave it out.")
    if given.bad_sequences:
        problems.append("bad_sequences is not supported by this server; leave it out.")


def _stops(given: Parameters) -> tuple[str, ...]:
    first, second = given.stop, given.stop_sequences
    if first is None and second is None:
        return ()
    return tuple(dict.fromkeys((*_texts(first), *_texts(second))))


def _texts(stops: str | list[str] | None) -> tuple[str, ...] | list[str]:
    return (stops,) if isinstance(stops, str) else stops or ()
