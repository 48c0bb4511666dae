"""Chat templates of a hostile model, over ordinary messages: a prompt or a refusal, in time, nothing from outside."""

from __future__ import annotations

import time
from collections.abc import Callable

CANARY = "fuzz-canary-5c1e"
SECONDS = 20.0
"""Of a thread: five times the bound of one rendering, which instrumentation slows down; compiling is not bounded."""
WORDS = (
    b"{{", b"}}", b"{%", b"%}", b"{#", b"for m in messages", b"endfor", b"if", b"endif", b"set x =",
    b"macro f()", b"endmacro", b"namespace()", b"loop.index", b"raise_exception(", b"strftime_now(",
    b"| tojson", b"| join", b"| map(", b"| batch(", b"| format(", b"| replace(", b"range(", b"cycler(",
    b"lipsum(", b"joiner(", b"__class__", b"__mro__", b"__globals__", b"__init__", b"| attr(", b".format(",
    b"format_map", b"'%1000000000d' %", b"* 100000000", b"** 99999", b"messages", b"tools", b"~", b"self.",
    b"import", b"include", b"extends", b"call(", b"generation", b"endgeneration", b"break", b"continue",
)  # fmt: skip
MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "What is the sea? " * 4},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
    },
]


def prepared() -> Callable[[bytes], None]:
    """Return what fills in an input as a template."""
    import copy
    import os
    from unittest import mock

    from djl_trtllm.errors import ArtifactError, InvalidRequest
    from djl_trtllm.text import template_budget
    from djl_trtllm.text.template import ChatTemplate

    # A hundredth, so that what reaches a bound does so at once.
    work, prompt = template_budget.MAX_WORK // 100, template_budget.MAX_PROMPT // 100
    os.environ["FUZZ_CANARY"] = CANARY
    before = copy.deepcopy(MESSAGES)

    def check(data: bytes) -> None:
        source = data.decode("utf-8", "surrogateescape")
        begun = time.thread_time()
        try:
            with mock.patch.multiple(template_budget, MAX_WORK=work, MAX_PROMPT=prompt):
                made = ChatTemplate(source, {"bos_token": "<s>"}).render(
                    MESSAGES, tools=[{"a": 1}], canary="x"
                )
        except (ArtifactError, InvalidRequest) as error:
            assert error.problems
        else:
            assert len(made) <= prompt
            assert CANARY not in made, "the environment is read"
            assert "<class '" not in made or "<class '" in source, "a class is reached"
        assert before == MESSAGES, "messages are changed"
        assert time.thread_time() - begun < SECONDS, "too slow"

    return check
