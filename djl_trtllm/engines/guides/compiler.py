"""A process that compiles guides, as its parent sees it: one line there, one line back."""

from __future__ import annotations

import enum
import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from typing import IO, cast

from djl_trtllm.core import Guide
from djl_trtllm.engines.guides import compiler_child
from djl_trtllm.engines.guides.vocabulary import Vocabulary
from djl_trtllm.options import secrets

START_SECONDS = 120.0
"""Seconds that the child has to import xgrammar and take in the vocabulary."""


class Verdict(enum.Enum):
    """What compiling a guide has shown."""

    SOUND = "it compiles"
    WRONG = "it does not compile, or the process died of it"
    SLOW = "it takes too long"


class Compiler:
    """One child, in a with statement. After a verdict that is not from itself it is not `sound` and must be replaced.

    Its stderr goes nowhere: the library's messages quote the guide.
    """

    def __init__(self, vocabulary: Vocabulary | None) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", compiler_child.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Whatever the library imports must not take a part of a GPU.
            env={**secrets.without(os.environ), "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": ""},
        )
        self._setup = (
            {}
            if vocabulary is None
            else {
                "tokens": list(vocabulary.tokens),
                "tokenizer": vocabulary.tokenizer,
                "stops": list(vocabulary.stops),
            }
        )
        self.sound = True

    def __enter__(self) -> Compiler:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._process.kill()
        with suppress(OSError):
            self._in.close()
        self._process.wait()
        self._out.close()

    def started(self) -> bool:
        """Wait until it can compile; False where it never will."""
        return self._said(self._setup, START_SECONDS) == compiler_child.READY

    def verdict(self, guide: Guide, seconds: float) -> Verdict:
        """Have a guide compiled."""
        said = self._said({"kind": guide.kind.name, "text": guide.text}, seconds)
        if said in (compiler_child.SOUND, compiler_child.WRONG):
            return Verdict.SOUND if said == compiler_child.SOUND else Verdict.WRONG
        self.sound = False
        return Verdict.SLOW if said is None else Verdict.WRONG

    @property
    def _in(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdin)

    @property
    def _out(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdout)

    def _said(self, message: object, seconds: float) -> bytes | None:
        """Return the child's line, b"" where it is gone, None where nothing came in time."""
        try:
            self._in.write(json.dumps(message).encode() + b"\n")
            self._in.flush()
        except OSError:
            return b""
        end = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._out], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            piece = os.read(self._out.fileno(), 64)
            if not piece:
                return b""
            line += piece
        return line
