"""The line of one token in mid-stream, the hottest code there is: in Python, or in machine code where that was built.

`_token_line.pyx` writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from djl_trtllm.formats.quoting import LEAST, MOST
from djl_trtllm.formats.token_json import TokenJson

__all__ = ["TokenLine", "in_python", "token_line"]

TokenLine = Callable[[int, str, float | None], str]
"""From a token, the text it releases and its log-prob to its line."""


def in_python(tokens: TokenJson, opening: str, closing: str) -> TokenLine:
    """Return the function that writes a token between two texts."""
    known, whole = tokens.known, tokens.whole

    # `TokenJson.whole` written out, in a closure: a call, and attributes of self, are a third of what a token costs.
    def line(token: int, text: str, log_prob: float | None) -> str:
        try:
            said, before, after = known[token]
        except KeyError:
            return f"{opening}{whole(token, text, log_prob)}{closing}"
        if said == text and log_prob is not None and LEAST < log_prob < MOST:
            return f"{opening}{before}{log_prob:.6f}{after}{closing}"
        return f"{opening}{whole(token, text, log_prob)}{closing}"

    return line


try:
    from djl_trtllm.formats._token_line import token_line
except ModuleNotFoundError:
    token_line = in_python
