"""One server from its first line to its last: prepare, load, serve, end."""

from __future__ import annotations

import asyncio
import os
import resource
import shlex
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.errors import DjlTrtllmError, LoadError
from djl_trtllm.local import cudart, jars, jvm, processes, workspace
from djl_trtllm.local.deployment import Deployment, deployment
from djl_trtllm.local.drain import Drain
from djl_trtllm.local.engine import Engine
from djl_trtllm.local.java_log import JavaLog

Say = Callable[[str], None]

EXAMPLE_BODY = '{"inputs": "Once upon a time", "parameters": {"max_new_tokens": 60}, "stream": true}'
NO_NEWS = ("invoke handler failure", "prediction failure", "OOM")
"""What DJL makes of an exception in a load call, 0.34.0 and 0.25.0, and of an answer with status 507."""

GRACE = 15.0
"""Seconds that requests may take to finish at the end. With `ENDING` they fit into the 30 s that SageMaker, Kubernetes
and ECS leave between SIGTERM and SIGKILL, and into 25."""

ENDING = 9.5
"""Seconds after the grace in which everything has ended. Nothing that hangs makes it longer."""

ENDED = ("Python stream closed", "Python worker disconnected")
"""How DJL begins to say that a worker, or a rank, ended while it loaded."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line decides. `options` are properties with or without the `option.` prefix.

    `grace` is how many seconds requests may take to finish after SIGTERM or Ctrl-C. `port` 0 takes a free one.
    """

    model: str | None = None
    name: str = "model"
    host: str = "127.0.0.1"
    port: int = 8080
    djl: str = jars.DEFAULT_VERSION
    options: Mapping[str, str] | None = None
    grace: float = GRACE


def run(settings: Settings, say: Say) -> int:
    """Serve until a signal comes. Returns the exit code: 0 after a clean end, 1 when the model cannot be served.

    `say` gets one line at a time and is called from several threads. Must run in the main thread of a process that
    never ran a JVM.
    """
    try:
        listening = _listen(settings.host, settings.port)
        with listening, workspace.scratch() as scratch:
            return _Run(settings, say, listening, scratch).run()
    except DjlTrtllmError as problem:
        say(f"error: {problem}")
        return 1


class _Run:
    """The pieces of a running server, in the order in which they come to life."""

    def __init__(self, settings: Settings, say: Say, listening: socket.socket, scratch: Path) -> None:
        self.settings, self.say, self.listening, self.scratch = settings, say, listening, scratch
        self.failure: DjlTrtllmError | None = None
        self.engine: Engine | None = None
        self.loader: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the server listens."""
        host, port = self.listening.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def run(self) -> int:
        """Go through the whole life; returns the exit code."""
        cache = workspace.cache_root(os.environ)
        workspace.check(cache)
        model = deployment(
            self.settings.model, self.scratch, self.settings.options or {}, os.environ, cudart.gpu_count()
        )
        class_path = jars.class_path(self.settings.djl, cache / "jars", self.say)
        library_path = prepare_environment(os.environ, model, self.scratch, cache)
        java_temp = self.scratch / "java"
        java_temp.mkdir()
        self.log = JavaLog(self.say)
        jvm.start(class_path, java_temp, self.log.write_fd, library_path)
        try:
            self._serve(model)
        finally:
            self._end()
        if self.failure is not None:
            self.say(f"error: {self.failure}")
            return 1
        return 0

    def _serve(self, model: Deployment) -> None:
        import uvloop

        from djl_trtllm.local import front, http

        self.engine = engine = Engine()
        self.front = front.Front(self.settings.name)
        self.draining = Drain(self.front, self.settings.grace, self._tell)
        self.server = http.server(self.front.app, self._drain, self.draining.hurry, self.front.door)
        _allow_many_connections()
        uvloop.run(self._main(model, engine))

    async def _main(self, model: Deployment, engine: Engine) -> None:
        loop = asyncio.get_running_loop()
        self.loader = threading.Thread(
            target=self._load, args=(model, engine, loop), name="load", daemon=True
        )
        self.loader.start()
        await self.server.serve(sockets=[self.listening])

    def _load(self, model: Deployment, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        """Load the model while the server already answers /ping; runs in a thread."""
        self.say(f"listening: {self.url}")
        what = model.options.get("model_id", str(model.directory))
        self.say(f"loading {what} with engine={model.engine}, DJL {self.settings.djl}")
        try:
            engine.load(model.directory, model.engine, model.options)
        except LoadError as problem:
            if not self.server.stopping:
                self.failure = self._telling(problem)
                loop.call_soon_threadsafe(self.server.stop)
            return
        loop.call_soon_threadsafe(self._open, model, engine)

    def _telling(self, problem: LoadError) -> LoadError:
        """Return the worker's own exception where DJL replaced it by a sentence that says nothing."""
        if str(problem) not in NO_NEWS and not str(problem).startswith(ENDED):
            return problem
        deadline = time.monotonic() + 1.0
        while not self.log.reader.failure and time.monotonic() < deadline:
            time.sleep(0.02)
        if not self.log.reader.failure:
            return LoadError(f"The worker ended while it loaded the model: {problem}.")
        return LoadError(f"The worker failed while it loaded the model: {self.log.reader.failure}")

    def _open(self, model: Deployment, engine: Engine) -> None:
        from djl_trtllm.local.gate import Gate
        from djl_trtllm.local.pump import Pump

        gate = Gate(model.slots, model.queue_size)
        self.front.opened(gate, Pump(engine, model.slots, model.chunk_timeout, asyncio.get_running_loop()))
        if self.server.stopping:
            self.front.stopping()
            return
        url = self.url
        self.say(f"ready: {url}")
        self.say(f"  curl -N {url}/invocations -H 'Content-Type: application/json' -d '{EXAMPLE_BODY}'")

    async def _drain(self) -> None:
        """Say that the end begins, and let requests finish."""
        grace = self.settings.grace
        limit = threading.Timer(grace + ENDING, self._end_at_once)
        limit.daemon = True
        limit.start()
        if self.failure is None and self.front.answering:
            self.say(f"stopping: requests may finish within {grace:g} s")
        elif self.failure is None:
            self.say("stopping")
        await self.draining.run()

    def _tell(self, left: int) -> None:
        """Have the workers end what they are at, each request in its own format."""
        self.log.quiet = True
        self.say(f"stopping: {left} requests were not done in time; they end with an error")
        for worker in processes.workers():
            processes.ask_to_end(worker)

    def _end_at_once(self) -> None:
        """End everything by force; in a thread of its own, whatever the others hang in."""
        self.say("error: the server did not end by itself")
        processes.end(processes.descendants(), patience=0.0)
        shutil.rmtree(self.scratch, ignore_errors=True)
        os._exit(1)

    def _end(self) -> None:
        """End model, JVM and every process below this one, in whatever state they are."""
        self.log.quiet = True
        below = set(processes.descendants())
        if self.loader is not None and self.loader.is_alive():
            processes.end(below, patience=0.0)
            self.loader.join(timeout=5.0)
        if self.engine is not None:
            self.engine.close()
        below.update(processes.descendants())
        jvm.stop()
        below.update(processes.descendants())
        processes.end(below, patience=1.0)


def prepare_environment(
    environ: MutableMapping[str, str], model: Deployment, scratch: Path, cache: Path
) -> Path | None:
    """Set what workers and mpirun need in `environ`; return where JNA finds the stub CUDA runtime, if one is needed.

    Must happen before the JVM starts, as that is when Java copies its environment. Raises LoadError when engine=MPI
    lacks mpirun or a C compiler.
    """
    beside = str(Path(sys.executable).parent)
    if beside not in environ.get("PATH", "").split(os.pathsep):
        environ["PATH"] = os.pathsep.join(filter(None, (beside, environ.get("PATH", ""))))
    launchers = scratch / "bin"
    environ.setdefault("PYTHON_EXECUTABLE", sys.executable)
    if model.engine != "MPI":
        environ["PYTHON_EXECUTABLE"] = _apart(launchers / "python", environ["PYTHON_EXECUTABLE"])
        return None
    mpirun = shutil.which("mpirun", path=environ["PATH"])
    if mpirun is None:
        raise LoadError("engine=MPI needs mpirun on PATH: install djl-trtllm[local], which brings Open MPI.")
    _apart(launchers / "mpirun", mpirun)
    environ["PATH"] = os.pathsep.join((str(launchers), environ["PATH"]))
    # mpirun leaves its session directory behind when DJL kills it.
    environ["TMPDIR"] = str(scratch)
    # DJL tells mpirun to hand it on, and mpirun warns in three lines when it is not there.
    environ.setdefault("LD_LIBRARY_PATH", "")
    if cudart.gpu_count() > 0:
        return None
    environ[cudart.GPU_COUNT_VARIABLE] = str(model.ranks)
    return cudart.stub_directory(cache)


def _apart(launcher: Path, program: str) -> str:
    """Write a script that starts `program` in a session of its own; returns what to start.

    A terminal sends Ctrl-C to every process in front of it: workers would drop the streams that the server is about
    to let finish. The process id stays, so DJL still ends whom it started.
    """
    setsid = shutil.which("setsid")
    if setsid is None:
        return program
    launcher.parent.mkdir(exist_ok=True)
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(setsid)} {shlex.quote(program)} "$@"\n')
    launcher.chmod(0o700)
    return str(launcher)


def _listen(host: str, port: int) -> socket.socket:
    from djl_trtllm.local import http

    try:
        return http.listen(host, port)
    except OSError as problem:
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise LoadError(
            f"Cannot listen on {host} port {port} ({reason}): choose another with --port."
        ) from problem


def _allow_many_connections() -> None:
    """Raise this process' limit of open files as far as it may go: a waiting client is an open file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
