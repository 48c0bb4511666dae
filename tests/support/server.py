"""Starts `djl-trtllm serve` as a process of its own, for tests that talk HTTP to DJL's real engine.

    with serve(model_dir, engine="Python", djl="0.34.0", options={"max_rolling_batch_size": "4"}) as server:
        urllib.request.urlopen(server.url + "/ping")

The server's whole log is in `server.log_text()`; a failure to start shows it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from djl_trtllm.local import processes

ROOT = Path(__file__).resolve().parents[2]


class ServerFailed(AssertionError):
    """The server ended, or did not get ready in time; the text holds its log."""


@dataclass
class Server:
    """A running server. `pid` is the front's, the JVM inside it; `worker_pids()` are DJL's Python workers."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    stopped: int | None = field(default=None)

    @property
    def pid(self) -> int:
        return self.process.pid

    def descendants(self) -> list[processes.Process]:
        return processes.descendants(self.pid)

    def worker_pids(self) -> list[int]:
        """The processes that run djl_python's engine, one per rank; neither mpirun nor their own children."""
        return [p.pid for p in processes.workers(self.pid)]

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def ping(self) -> dict[str, dict[str, str]]:
        with urllib.request.urlopen(self.url + "/ping", timeout=10) as response:
            return json.loads(response.read())

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def interrupt(self) -> None:
        """What Ctrl-C in a terminal does: SIGINT to the server and to all below it that share its session."""
        os.killpg(self.pid, signal.SIGINT)

    def wait(self, timeout: float = 30) -> int:
        """The exit code, after the process ended by itself or by a signal sent before."""
        self.stopped = self.process.wait(timeout)
        return self.stopped

    def stop(self, timeout: float = 40) -> int:
        """SIGTERM, then the exit code; kills it and everything below it when it does not end in time."""
        if self.stopped is not None:
            return self.stopped
        below = self.descendants()
        self.signal()
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            processes.end(below, patience=0)
            raise ServerFailed(f"the server did not end within {timeout} s\n{self.log_text()}") from None


@contextlib.contextmanager
def serve(
    model_dir: Path | str | None,
    engine: str | None = None,
    djl: str = "0.34.0",
    env: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    *,
    name: str = "model",
    wait: bool = True,
    timeout: float = 240,
    arguments: tuple[str, ...] = (),
) -> Iterator[Server]:
    """Start a server on a free port and stop it at the end.

    `engine` None takes what the model directory says. `env` is laid over this process' environment, where a value of
    None would be a mistake: use "" to unset. `wait=False` yields as soon as the port answers, while the model loads.
    """
    with tempfile.TemporaryDirectory(prefix="serve-log-") as directory:
        log = Path(directory, "log.txt")
        command = [
            sys.executable,
            "-m",
            "djl_trtllm.cli.main",
            "serve",
            "--port",
            "0",
            "--djl",
            djl,
            "--name",
            name,
        ]
        command += ["--engine", engine] if engine else []
        command += [f"--option={key}={value}" for key, value in (options or {}).items()]
        command += [*arguments, *([str(model_dir)] if model_dir is not None else [])]
        environ = {**os.environ, **(env or {})}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={k: v for k, v in environ.items() if v},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = Server("", process, log)
        try:
            _until_up(server, wait, timeout)
            yield server
        finally:
            server.stop()


def _until_up(server: Server, ready: bool, timeout: float) -> None:
    """Wait for the line that says `listening` and, when `ready`, for the one that says `ready`."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for line in server.log_text().splitlines():
            word, _, rest = line.partition(": ")
            if word == "listening":
                server.url = rest.strip()
            if server.url and (word == "ready" or not ready):
                return
        code = server.process.poll()
        if code is not None:
            server.stopped = code
            raise ServerFailed(f"the server ended with exit code {code}\n{server.log_text()}")
        time.sleep(0.05)
    raise ServerFailed(f"the server was not ready within {timeout} s\n{server.log_text()}")
