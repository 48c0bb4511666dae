"""What a model wrote, read for calls of tools: however it is cut into pieces, the same calls and the same text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

SECONDS = 5.0
"""Of a thread, for a few kilobytes read twice, under instrumentation."""
WORDS = (
    b"<tool_call>", b"</tool_call>", b"<|python_tag|>", b"[TOOL_CALLS]", b"[ARGS]", b"[CALL_ID]", b'"name": "f"',
    b'"arguments": {', b'"parameters"', b'{"name": "f", "arguments": {"a": 1}}', b'[f(a="b"), g(c=1)]', b"; ", b"null",
    b"True", b"None", b"\\u00e9", b"\\ud83d", b"'", b"1_0", b"1e999", b"[" * 64, b"{" * 64, b"   " * 64,
)  # fmt: skip


def prepared() -> Callable[[bytes], None]:
    """Return what reads an input: the first byte says how long pieces are, the rest is the text."""
    from djl_trtllm.formats.tool_calls import FreeCalls

    def read(pieces: Sequence[str]) -> list[Any]:
        parser, found = FreeCalls(), []
        for piece in pieces:
            found += parser.feed(piece)
        found += parser.finish()
        merged: list[Any] = []
        for one in found:
            if isinstance(one, str) and merged and isinstance(merged[-1], str):
                merged[-1] += one
            elif one != "":
                merged.append(one)
        return merged

    def check(data: bytes) -> None:
        if not data:
            return
        size, text = data[0] % 16 + 1, data[1:].decode("utf-8", "replace")
        begun = time.thread_time()
        whole = read([text])
        assert read([text[at : at + size] for at in range(0, len(text), size)]) == whole
        assert time.thread_time() - begun < SECONDS, "too slow"

    return check
