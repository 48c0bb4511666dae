"""Java's log lines and the worker's, which come through Java, made readable.

slf4j-simple writes into a pipe; a thread reads it, strips the prefixes of DJL and mpirun, leaves out what only says
that DJL is at work, and hands every line on.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable

import msgspec

WORKER_LINE = re.compile(
    r"(?P<level>\w+) (?P<worker>W-\d+-.*?-std(?:out|err)): (?:\[\d+,(?P<rank>\d+)\]<\w+>: ?)?(?P<text>.*)"
)
PYTHON_LEVEL = re.compile(r"(?:INFO|WARNING|ERROR|DEBUG|CRITICAL)::")
WORKER_CHATTER = re.compile(
    r"(?:\d+ - )?(?:djl_python_engine started with args|Python engine started\.|Python process finished)"
)
JAVA_CHATTER = re.compile(
    r"Start process|Stop process|ReaderThread\(|Model \[|Model: .* was not closed|Creating new python process"
    r"|Failure count|Process not started|Connection channel is null|predict\[init=true\]"
)
JAVA_LEVEL = re.compile(r"(?:INFO|WARN|ERROR) ")
STACK = re.compile(r"\s+at |\s*Caused by: |\s+\.\.\. ")
DIED = "Python engine process died"
DISCONNECTED = "ValueError: Connection disconnected"
"""How a worker of every DJL version says that Java has closed its socket: its ordinary end."""
LOGGING_ARGUMENTS = re.compile(r"Arguments: \((.+),\)")
"""Where DJL 0.25.0 shows a handler's exception: its own call of logging.exception fails, and logging reports that."""


NOT_LOADED = "the model was not loaded"
_NOT_LOADED_TEXT = f"ERROR djl_trtllm {NOT_LOADED}: "
_RECORD = '{"time":'
"""How a record of the worker begins where option.log_format is json."""
MPIRUN_NOTICED = re.compile(r"(?:prterun|mpirun) noticed that (process rank \d+) .* exited on")
"""What mpirun says of a rank that was killed; the signal stands in the next line (Open MPI 4.1 and 5.0)."""


class _Record(msgspec.Struct):
    message: str = ""
    traceback: list[str] = []


class Reader:
    """Turns log lines into lines for a person.

    `failure` is what a worker said last of why it fails: its exception, the reason why it did not load the model, or
    what mpirun saw of its end.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._tracebacks: dict[str, list[str]] = {}
        self._killed = ""
        self.failure = ""

    def line(self, line: str) -> None:
        """Take one line of Java's log."""
        found = WORKER_LINE.fullmatch(line)
        if found is None:
            self._java(line)
            return
        who = f"worker {found['rank']}" if found["rank"] not in (None, "0") else "worker"
        self._worker(f"{found['worker']} {who}", who, PYTHON_LEVEL.sub("", found["text"], count=1))

    def _java(self, line: str) -> None:
        text = JAVA_LEVEL.sub("", line, count=1)
        if text.strip() and not STACK.match(text) and not JAVA_CHATTER.match(text):
            self._say(f"djl: {text}")

    def _worker(self, stream: str, who: str, text: str) -> None:
        """Hand a worker's line on; a traceback is held until its last line tells what it is about."""
        held = self._tracebacks.get(stream)
        if held is not None:
            held.append(text)
            if text[:1] in ("", " ", "\t") or text.startswith("Traceback "):
                return
            del self._tracebacks[stream]
            if text == DISCONNECTED:
                return
            self.failure = text
            for one in held:
                self._say(f"{who}: {one}")
        elif text.startswith(_RECORD):
            self._record(who, text)
        elif text == DIED or text.startswith("Traceback "):
            self._tracebacks[stream] = [text]
        elif text.strip() and not WORKER_CHATTER.match(text):
            self._note(who, text)
            self._say(f"{who}: {text}")

    def _record(self, who: str, text: str) -> None:
        """Hand a record on as it is, for programs; it names its rank itself."""
        try:
            record = msgspec.json.decode(text, type=_Record)
        except msgspec.DecodeError:  # it only looks like one
            self._say(f"{who}: {text}")
            return
        if record.message.startswith(NOT_LOADED):
            why = record.traceback[-1] if record.traceback else record.message.removeprefix(f"{NOT_LOADED}: ")
            self._not_loaded(who, why)
        self._say(text)

    def _not_loaded(self, who: str, why: str) -> None:
        """Remember why the model was not loaded; rank 0 knows best, and it names the rank that failed."""
        if who == "worker":
            self.failure = why
        elif not self.failure:
            rank = who.removeprefix("worker ")
            self.failure = why if why.startswith("Rank ") else f"Rank {rank} failed: {why}"

    def _note(self, who: str, text: str) -> None:
        """Remember why a worker fails, where this line says so."""
        if logged := LOGGING_ARGUMENTS.fullmatch(text):
            self.failure = logged[1]
        elif text.startswith(_NOT_LOADED_TEXT):
            self._not_loaded(who, text.removeprefix(_NOT_LOADED_TEXT))
        elif self._killed:
            self.failure, self._killed = f"{self._killed} exited on {text.strip()}", ""
        elif noticed := MPIRUN_NOTICED.search(text):
            self._killed = noticed[1]


class JavaLog:
    """A pipe for Java's log and the thread that reads it. `write_fd` is what Java opens as /dev/fd/<n>."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._read_fd, self.write_fd = os.pipe()
        self._say = say
        self.reader = Reader(self._pass_on)
        self.quiet = False
        self.thread = threading.Thread(target=self._run, name="java-log", daemon=True)
        self.thread.start()

    def _pass_on(self, text: str) -> None:
        if not self.quiet:
            self._say(text)

    def _run(self) -> None:
        with open(self._read_fd, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123  a descriptor
            for line in lines:
                self.reader.line(line.rstrip("\n"))
