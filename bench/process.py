"""A side of a comparison in a process of its own, asked by one JSON line at a time and asleep in between."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import compiled


class SideProcess:
    """Runs `python -m <module> <arguments>`; its log goes to `log`. `package` is where a compiled one is."""

    def __init__(self, log: Path, module: str, *arguments: str, package: Path | None = None) -> None:
        self.log = log
        python, environment = compiled.python(package)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [*python, "-m", module, *arguments],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def ask(self, command: str, *arguments: object) -> Any:
        """Send one command and wait for its answer."""
        if not self.process.stdin or not self.process.stdout:
            raise RuntimeError("The side has no pipes.")
        try:
            self.process.stdin.write(json.dumps([command, *arguments]) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            tail = self.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"A side of the bench ended; {self.log} ends with:\n{tail}")
        return json.loads(line)


def serve(make: Any, *arguments: str) -> None:
    """Be a side: build it with `make(*arguments)`, then answer each line with the method it names.

    Standard output becomes the log, as nothing else may write between two answers. Logging is set up as
    djl_python_engine.py does it; its lines go to the log instead of Java's pipe.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    side = make(*arguments)
    for line in sys.stdin:
        command, *values = json.loads(line)
        answers.write(json.dumps(getattr(side, command)(*values)) + "\n")
