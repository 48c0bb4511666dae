"""The start-up report in a server's log."""

from __future__ import annotations

import re

from tests.support.collector import eventually
from tests.support.server import Server

_ROW = re.compile(r"INFO djl_trtllm   (KV cache|[a-z]+) +(\S.*)")


def rows(server: Server) -> dict[str, str]:
    """What stands behind each label; DJL may hand the last lines on a moment after the model is ready."""
    eventually(lambda: "djl_trtllm   versions " in server.log_text(), "the start-up report")
    assert "INFO djl_trtllm ready after " in server.log_text()
    return {found[1]: found[2] for line in server.log_text().splitlines() if (found := _ROW.search(line))}
