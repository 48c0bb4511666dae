"""What children print, as records of this process's log, where those are JSON."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from djl_trtllm.telemetry import logs

MOST = 4096
"""Characters of one line that are passed on."""

_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}
_LEVEL = re.compile(rf"({'|'.join(_LEVELS)}) (?:\w+: )?")


@contextmanager
def descriptor(logger: logging.Logger) -> Iterator[int]:
    """Yield where a child is to print: into this process's standard error, or a pipe whose lines `logger` gets.

    The pipe is for children that are started before this ends; its thread ends with the last of them. A line is of the
    level that it names as `logging` writes it, and otherwise a warning, as libraries say little that is not.
    """
    if not logs.as_json():
        yield 2
        return
    read, write = os.pipe()
    thread = threading.Thread(target=_pass_on, args=(read, logger), name="child-output", daemon=True)
    thread.start()
    try:
        yield write
    finally:
        os.close(write)


def _pass_on(read: int, logger: logging.Logger) -> None:
    with os.fdopen(read, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = line.rstrip()[:MOST]
            if not text.strip():
                continue
            found = _LEVEL.match(text)
            if found is None:
                logger.warning("%s", text)
            else:
                logger.log(_LEVELS[found[1]], "%s", text[found.end() :])
