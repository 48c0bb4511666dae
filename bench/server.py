"""`djl-trtllm serve` as a process of its own: DJL's Java engine, one worker, HTTP in front."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
MODEL = """import sys

sys.path.insert(0, {root!r})
from bench.served_worker import handle
"""
PATIENCE = 600.0
"""Seconds until it is ready; the first start compiles."""


class Server:
    """Serves a model directory, with the measured handler, while the block runs."""

    def __init__(self, directory: Path, properties: Mapping[str, str]) -> None:
        self.directory = directory.resolve()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        lines = {f"option.{name}": value for name, value in properties.items()}
        self._write("serving.properties", "".join(f"{name}={value}\n" for name, value in lines.items()))
        self._write("model.py", MODEL.format(root=str(ROOT)))
        self.log = self.directory.with_suffix(".log")
        self.url = ""

    def __enter__(self) -> Server:
        command = [sys.executable, "-m", "djl_trtllm.cli.main", "serve", "--port", "0", str(self.directory)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.url = self._ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def _ready(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            said = self.log.read_text(errors="replace")
            for line in said.splitlines():
                if line.startswith("ready: "):
                    return line.removeprefix("ready: ").strip()
            if self.process.poll() is not None:
                raise RuntimeError(f"The server ended; {self.log} ends with:\n{said[-3000:]}")
            time.sleep(0.1)
        raise RuntimeError(f"The server was not ready within {PATIENCE:.0f} s; see {self.log}.")

    def _stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
