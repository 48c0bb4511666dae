"""Bodies of all schemas. The first byte says which engine and options they meet, and the content type.

A refusal names its problems in sentences and repeats nothing; a request keeps to every limit.
"""

from __future__ import annotations

from collections.abc import Callable

CANARY = "zebra quilt"
WORDS = (
    b'"inputs"', b'"parameters"', b'"messages"', b'"prompt"', b'"role"', b'"content"', b'"user"', b'"system"',
    b'"text"', b'"type"', b'"tools"', b'"tool_choice"', b'"function"', b'"stream"', b'"max_tokens"',
    b'"max_new_tokens"', b'"n"', b'"best_of"', b'"stop"', b'"seed"', b'"logprobs"', b'"logit_bias"',
    b'"response_format"', b'"json_schema"', b'"guided_json"', b'"guided_regex"', b'"grammar"', b'"details"',
    b'"temperature"', b'"top_p"', b'"top_k"', b"null", b"true", b"false", b"NaN", b"1e999", b"-1",
    b"9223372036854775808", b"\\ud800", b"\\u0000", b"[[", b"]]", b"{}", CANARY.encode(),
)  # fmt: skip
KINDS = ("application/json", "", "text/plain", "text/html")
ACCEPTS = ("", "text/event-stream", "application/jsonlines", "text/plain")


def prepared() -> Callable[[bytes], None]:
    """Return what reads an input as a body."""
    from djl_trtllm.core import Features
    from djl_trtllm.errors import BodyTooLarge, InvalidRequest
    from djl_trtllm.schemas.defaults import Defaults
    from tests.support.lmi_bodies import EVERYTHING, FEATURES, check_refused, check_taken, read

    engines = (FEATURES, EVERYTHING, Features(logprobs=False, min_p=False, beam_width=2))

    def check(data: bytes) -> None:
        if not data:
            return
        first, body = data[0], data[1:]
        defaults = Defaults(
            unknown_parameters="reject" if first & 1 else "warn",
            tgi_compat=bool(first & 2),
        )
        kind, accept = KINDS[first >> 2 & 3], ACCEPTS[first >> 4 & 3]
        try:
            request = read(body, kind, defaults, engines[(first >> 6) % 3], accept=accept)
        except (InvalidRequest, BodyTooLarge) as error:
            check_refused(error, CANARY, body)
            return
        check_taken(request, CANARY)

    return check
