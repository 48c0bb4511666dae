"""Logging under DJL: the worker's stdout is the log, one line a record."""

from __future__ import annotations

import logging
import sys
import traceback

FORMAT = "%(levelname)s djl_trtllm %(message)s"


def configure(level: int = logging.INFO) -> None:
    """Give the package's logger its own stdout handler, once, whatever DJL set on the root logger.

    DJL 0.27 configures the root logger at INFO with bare messages, 0.33 and later by `--log-level`; records of this
    package do not pass through it, so that a line looks the same on every version.
    """
    logger = logging.getLogger("djl_trtllm")
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


def describe(error: BaseException) -> str:
    """Name an unexpected error and where it arose, without its text: that may quote a prompt."""
    frames = traceback.extract_tb(error.__traceback__)
    place = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
    return f"{type(error).__name__} at {place or 'unknown place'}"
