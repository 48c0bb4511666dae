"""Guides: the first byte says what kind. Taken or refused by reading alone, in time, without the client's words."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 5.0
"""Of a thread, for one guide of a few kilobytes under instrumentation."""
WORDS = (
    b"(?:", b"(?=", b"(?<!", b"(?P<a>", b"(?<a>", b"[^", b"\\d", b"\\w", b"\\p{L}", b"\\x41", b"\\u0041",
    b"{1,3}", b"{99999}", b"{0,}", b"*?", b"^", b"$", b"|", b"-", b'"type"', b'"object"', b'"array"',
    b'"string"', b'"integer"', b'"properties"', b'"required"', b'"items"', b'"anyOf"', b'"$ref"',
    b'"#/$defs/a"', b'"$defs"', b'"pattern"', b'"minLength"', b'"maxLength"', b'"minimum"', b'"enum"',
    b'"const"', b'"patternProperties"', b'"propertyNames"', b'"format"', b"root", b"::=", b'"a"', b"1e400",
    b"NaN", b"[" * 64, b'{"items":' * 16,
)  # fmt: skip


def prepared() -> Callable[[bytes], None]:
    """Return what reads an input as a guide, as each runtime does."""
    from djl_trtllm.core import Guide, GuideKind
    from djl_trtllm.engines import guides
    from djl_trtllm.engines.openvino.guides import repair
    from djl_trtllm.engines.openvino.guides import schema as openvino_schema
    from djl_trtllm.engines.openvino.messages import GRAMMAR, JSON, REGEX, Bound

    kinds = ((GuideKind.JSON, JSON), (GuideKind.REGEX, REGEX), (GuideKind.GRAMMAR, GRAMMAR))

    def check(data: bytes) -> None:
        if not data:
            return
        kind, openvinos = kinds[data[0] % 3]
        text = data[1:].decode("utf-8", "surrogateescape")
        begun = time.thread_time()
        problem = guides.problem(Guide(kind, text), 65536)
        if problem is None:
            if kind is GuideKind.JSON:
                openvino_schema.problem(text)
            repair.repaired(Bound(openvinos, text)).encode()
        else:
            assert problem.problems[0].endswith(".")
        assert time.thread_time() - begun < SECONDS, "too slow"

    return check
