"""Java's log lines and the worker's, which come through Java, made readable.

slf4j-simple writes into a pipe; a thread reads it, strips the prefixes of DJL and mpirun, leaves out what only says
that DJL is at work, and hands every line on.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable

WORKER_LINE = re.compile(
    r"(?P<level>\w+) W-\d+-.*?-std(?:out|err): (?:\[\d+,(?P<rank>\d+)\]<\w+>: ?)?(?P<text>.*)"
)
PYTHON_LEVEL = re.compile(r"(?:INFO|WARNING|ERROR|DEBUG|CRITICAL)::")
CHATTER = re.compile(
    r"(?:\S*::)?(?:\d+ - )?(?:djl_python_engine started with args|Python engine started\.)"
    r"|\w+ (?:Start process|Stop process|ReaderThread\(|Model \[)"
    r"|\tat |\t?Caused by:|\t\.\.\. "
)


def readable(line: str) -> str | None:
    """Return what a person should see of one log line, or None for a line without news."""
    found = WORKER_LINE.fullmatch(line)
    text = found["text"] if found else line
    if not text.strip() or CHATTER.match(text):
        return None
    if not found:
        return f"djl: {text.partition(' ')[2] if text.startswith(('INFO ', 'WARN ', 'ERROR ')) else text}"
    who = f"worker {found['rank']}" if found["rank"] not in (None, "0") else "worker"
    return f"{who}: {PYTHON_LEVEL.sub('', text, count=1)}"


class JavaLog:
    """A pipe for Java's log and the thread that reads it. `write_fd` is what Java opens as /dev/fd/<n>."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._read_fd, self.write_fd = os.pipe()
        self._say = say
        self.quiet = False
        threading.Thread(target=self._run, name="java-log", daemon=True).start()

    def _run(self) -> None:
        with open(self._read_fd, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123  a descriptor
            for line in lines:
                text = readable(line.rstrip("\n"))
                if text is not None and not self.quiet:
                    self._say(text)
