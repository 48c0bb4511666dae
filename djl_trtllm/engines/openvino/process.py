"""The engine's process as its parent sees it: started, spoken to, listened to, killed."""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from djl_trtllm.engines.openvino.link import Link
from djl_trtllm.options import secrets
from djl_trtllm.telemetry import child_output

logger = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds that a closed child has to end by itself. It keeps nothing that killing it could lose."""

STACKS = signal.SIGUSR1
"""The signal at which a child writes its stacks to its standard error."""

_WRITING = 0.5
"""Seconds in which it has done so."""

TICK = 1.0
"""Seconds between two looks at a child that says nothing."""


class ChildProcess:
    """One child. Its thread starts it, hands over its messages, and reports its end.

    The child is started *by* the thread that listens to it: the kernel ties its life to that thread's
    (PR_SET_PDEATHSIG), and this thread lives exactly as long as the child. `on_messages` gets whole messages in
    order, `on_tick` is called when nothing came for a second, `on_end` once, last, with the exit code (negative:
    a signal; None: it never started). All three are called in that thread. `send` never blocks: another thread writes.
    `module` is what the child runs.
    """

    def __init__(
        self,
        on_messages: Callable[[list[bytes]], None],
        on_tick: Callable[[], None],
        on_end: Callable[[int | None], None],
        module: str = "djl_trtllm.engines.openvino.child",
    ) -> None:
        self._on_messages = on_messages
        self._on_tick = on_tick
        self._on_end = on_end
        self._module = module
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.killed = False
        """Whether `kill` was called."""
        self._thread = threading.Thread(target=self._live, name="openvino-child", daemon=True)

    @property
    def pid(self) -> int | None:
        """The child's process id, once there is one."""
        process = self._process
        return None if process is None else process.pid

    def start(self) -> None:
        """Start the thread, which starts the child."""
        self._thread.start()

    def send(self, message: bytes) -> None:
        """Queue one message. What is sent to a child that has ended is lost."""
        self._outgoing.put(message)

    def kill(self) -> None:
        """End the child now, whatever it is doing."""
        with self._lock:
            self.killed = True
            if self._process is not None:
                self._process.kill()

    def halt(self) -> None:
        """Have a child that hangs write its stacks to the log, then end it."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                return
            logger.error(
                "The engine's process %d (%s) is ended; its stacks follow.", process.pid, _state(process.pid)
            )
            with suppress(ProcessLookupError):
                process.send_signal(STACKS)
                process.send_signal(signal.SIGCONT)  # a stopped one writes nothing
        time.sleep(_WRITING)
        self.kill()

    def join(self, seconds: float) -> bool:
        """Wait for the child's end to be reported; whether it was."""
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _live(self) -> None:
        code = None
        try:
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    process = self._spawn(theirs)
                link = Link(ours)
                writer = threading.Thread(
                    target=self._write, args=(link,), name="openvino-writer", daemon=True
                )
                writer.start()
                self._listen(link)
                link.shut()
                self._outgoing.put(None)
                writer.join()
                code = self._reap(process)
        except BaseException:
            logger.exception("The thread of the engine's process failed.")
            self.kill()
            code = None if self._process is None else self._process.wait()
        finally:
            self._on_end(code)

    def _spawn(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        arguments = ["-m", self._module, str(theirs.fileno()), str(os.getpid())]
        with self._lock:
            # Standard output belongs to DJL's protocol with the worker; the child's goes to the log.
            with child_output.descriptor(logger) as said:
                self._process = subprocess.Popen(
                    [sys.executable, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    pass_fds=[theirs.fileno()],
                    env=secrets.without(os.environ),
                )
            if self.killed:
                self._process.kill()
            return self._process

    def _listen(self, link: Link) -> None:
        while True:
            messages = link.receive(TICK)
            if messages is None:
                return
            if messages:
                self._on_messages(messages)
            else:
                self._on_tick()

    def _write(self, link: Link) -> None:
        try:
            while (message := self._outgoing.get()) is not None:
                link.send(message)
        except OSError:
            logger.debug("The engine's process does not read any more.")
        except BaseException:
            logger.exception("Nothing more can be sent to the engine's process.")
            link.shut()  # Then its thread hears the end, and whoever waits an error.

    def _reap(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _state(pid: int) -> str:
    """Return what the kernel says a process does: "S (sleeping)", "T (stopped)"."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("State:"):
                return line.partition(":")[2].strip()
    return "state unknown"
