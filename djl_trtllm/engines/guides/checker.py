"""Guides checked before an engine sees them: read here, compiled in a process of its own where that can be.

Importing xgrammar takes ten seconds and compiling a guide can take for ever, so one child is kept; whatever happens to
it ends nothing else. Where xgrammar cannot be imported, guides are only read.
"""

from __future__ import annotations

import importlib.util
import logging
import queue
import threading
from collections import OrderedDict
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b

from djl_trtllm.core import Guide
from djl_trtllm.engines.guides.compiler import Compiler, Verdict
from djl_trtllm.engines.guides.problems import problem
from djl_trtllm.engines.guides.vocabulary import Vocabulary
from djl_trtllm.errors import Busy, InvalidRequest

logger = logging.getLogger(__name__)

KEPT = 1024
"""Guides that are remembered as sound: clients send the same ones again and again."""


@dataclass(slots=True)
class _Task:
    guide: Guide
    verdict: Future[Verdict] = field(default_factory=Future)


class GuideChecker:
    """Checks guides from any number of threads. `most` is option.guide_max_bytes, `seconds` option.guide_timeout.

    `start` begins to make the child ready, which goes on in the background; until then a check says `Busy`.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._sound: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._compiles = False
        self._closed = False

    def start(self, vocabulary: Vocabulary | None = None) -> None:
        """Have guides compiled as well, for these tokens, where xgrammar is installed."""
        if importlib.util.find_spec("xgrammar") is None:
            logger.info(
                "xgrammar is not installed: guides are read before they reach the engine, not compiled."
            )
            return
        self._compiles = True
        # The child's life is tied to the thread that starts it.
        threading.Thread(target=self._serve, args=(vocabulary,), name="guide-compiler", daemon=True).start()

    def check(self, guide: Guide) -> None:
        """Raise `InvalidRequest` for a guide that cannot be enforced, `Busy` where nothing can be said right now."""
        error = problem(guide, self._most)
        if error is not None:
            raise error
        digest = blake2b(f"{guide.kind.name} {guide.text}".encode(), digest_size=16).digest()
        with self._lock:
            if digest in self._sound:
                self._sound.move_to_end(digest)
                return
        if self._compiles:
            self._compile(guide)
        with self._lock:
            self._sound[digest] = None
            if len(self._sound) > KEPT:
                self._sound.popitem(last=False)

    def close(self) -> None:
        """End the child."""
        self._closed = True
        self._tasks.put(None)

    def _compile(self, guide: Guide) -> None:
        if not self._ready.wait(self._seconds):
            raise Busy("Guides cannot be checked yet; send the request again in a few seconds.")
        if not self._compiles:  # the child could not be started
            return
        task = _Task(guide)
        self._tasks.put(task)
        try:
            verdict = task.verdict.result(2 * self._seconds + 1)
        except NotInTime:
            task.verdict.cancel()
            raise Busy("Too many guides are being checked; send the request again.") from None
        if verdict is Verdict.SLOW:
            raise InvalidRequest(
                f"The {guide.kind.value} takes more than {self._seconds:g} s to compile (option guide_timeout);"
                " make it simpler."
            )
        if verdict is Verdict.WRONG:
            raise InvalidRequest(f"The {guide.kind.value} cannot be enforced; it does not compile.")

    def _serve(self, vocabulary: Vocabulary | None) -> None:
        """Keep a child, and have it compile one guide after the other."""
        while not self._closed:
            with Compiler(vocabulary) as compiler:
                if not compiler.started():
                    if not self._closed:
                        logger.warning("xgrammar could not be used: guides are read, not compiled.")
                    self._compiles = False
                    self._ready.set()
                    self._let_go()
                    return
                self._ready.set()
                self._compile_all(compiler)
                self._ready.clear()
        self._let_go()

    def _compile_all(self, compiler: Compiler) -> None:
        """Return when the checker is closed or the child is of no use any more."""
        while (task := self._tasks.get()) is not None:
            if not task.verdict.set_running_or_notify_cancel():
                continue
            verdict = compiler.verdict(task.guide, self._seconds)
            task.verdict.set_result(verdict)
            if not compiler.sound:
                return

    def _let_go(self) -> None:
        """Say of what still waits that it is sound as far as can be told: it has been read."""
        with suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None and task.verdict.set_running_or_notify_cancel():
                    task.verdict.set_result(Verdict.SOUND)
