"""Checks guides before they come near a running sequence: asks a process of its own, and remembers the answers."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from djl_trtllm.core import Guide, GuideKind
from djl_trtllm.engines import guides
from djl_trtllm.engines.openvino.guides import messages as g
from djl_trtllm.engines.openvino.guides import schema as guide_schema
from djl_trtllm.engines.openvino.guides.process import EndedError, GuideProcess, NotReadyError
from djl_trtllm.engines.openvino.sampling import bound
from djl_trtllm.errors import Busy, InvalidRequest

logger = logging.getLogger(__name__)

MEMORY = 256 << 20
"""Bytes that compiling one guide may take, all guides of one checking process together. Realistic ones take less than
one MiB each, and as much again in the pipeline that runs them."""

_REMEMBERED = 4096
_SLOW_FOR = 30.0
"""Seconds for which a guide that took too long is not tried again: the machine may have been busy."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out about one guide; `problem` is empty for a good one."""

    problem: str
    until: float = float("inf")


class GuideChecks:
    """One model's checks. `check` may be called from any thread; one guide is tried at a time.

    The process is started by the first guide that is not known: it takes a second and 130 MB of memory, which a model
    whose clients send no guides never needs. It is kept, killed and started again where a guide takes more than
    `seconds`, and started again where it ended by itself.
    """

    def __init__(self, make: Callable[[], GuideProcess], seconds: float, max_bytes: int) -> None:
        self._make = make
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._turn = threading.Lock()
        self._lock = threading.Lock()  # Guards what follows; never held while waiting.
        self._process: GuideProcess | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id of the one that checks, while there is one."""
        process = self._process
        return None if process is None else process.pid

    def check(self, guide: Guide) -> None:
        """Raise `InvalidRequest` for a guide that cannot be enforced, `Busy` where that cannot be found out now."""
        key = _key(guide)
        known = self._recall(key)
        if known is None:
            problem = self._read(guide)
            known = _Known(problem) if problem else self._find_out_in_turn(key, guide)
            self._remember(key, known)
        if known.problem:
            raise InvalidRequest(known.problem)

    def close(self) -> None:
        """End the process; a check that waits for it raises `Busy`."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def _read(self, guide: Guide) -> str:
        """Return what reading it tells: a sentence, or nothing."""
        error = guides.problem(guide, self._max_bytes)
        if error is not None:
            return str(error)
        reason = guide_schema.problem(guide.text) if guide.kind is GuideKind.JSON else ""
        return f"{_the(guide)} cannot be enforced: {reason}." if reason else ""

    def _find_out_in_turn(self, key: bytes, guide: Guide) -> _Known:
        if not self._turn.acquire(timeout=self._seconds):
            raise Busy("Other guides are being checked; try again.")
        try:
            # Another thread may have had the same one meanwhile.
            return self._recall(key) or self._find_out(guide)
        finally:
            self._turn.release()

    def _find_out(self, guide: Guide) -> _Known:
        question, memory = g.Check(bound(guide)), False
        for _ in range(2):
            try:
                answer = self._running().ask(question, self._seconds)
            except NotReadyError as error:
                self._end()
                logger.error("The process that checks guides did not start: %s", error)
                raise Busy("Guides cannot be checked right now; try again.") from error
            except TimeoutError:
                self._end()
                logger.warning("A guide took more than guide_timeout=%g s and was refused.", self._seconds)
                said = f"takes more than {self._seconds:g} s to compile (option guide_timeout); simplify it."
                return _Known(f"{_the(guide)} {said}", time.monotonic() + _SLOW_FOR)
            except EndedError as error:
                self._end()
                if self._closed:
                    break
                logger.warning("The process that checks guides ended (%s).", error)
                memory = error.code == g.NO_MEMORY
                # Once may have been somebody else's doing, such as the kernel's when memory is short.
                continue
            return _Known(_problem(guide, answer))
        if self._closed:
            raise Busy("The engine is being closed.")
        if memory:
            return _Known(f"{_the(guide)} takes too much memory to compile; simplify it.")
        return _Known(f"{_the(guide)} is too large or too deeply nested to compile; simplify it.")

    def _running(self) -> GuideProcess:
        with self._lock:
            if self._closed:
                raise Busy("The engine is being closed.")
            if self._process is None:
                self._process = self._make()
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def _recall(self, key: bytes) -> _Known | None:
        with self._lock:
            known = self._known.get(key)
            if known is None or known.until < time.monotonic():
                return None
            self._known.move_to_end(key)
            return known

    def _remember(self, key: bytes, known: _Known) -> None:
        with self._lock:
            self._known[key] = known
            self._known.move_to_end(key)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def _key(guide: Guide) -> bytes:
    """Return what stands for a guide: texts of up to guide_max_bytes each are not worth keeping."""
    digest = hashlib.blake2b(guide.text.encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(guide.kind.name.encode())
    return digest.digest()


def _the(guide: Guide) -> str:
    return f"The {guide.kind.value}"


def _problem(guide: Guide, verdict: g.Verdict) -> str:
    if verdict.kind == g.GOOD:
        return ""
    if verdict.kind == g.DEAD_END:
        return f"{_the(guide)} cannot be satisfied: there is a place in it where no text fits."
    why = f": {verdict.reason}" if verdict.reason else ""
    return f"{_the(guide)} cannot be enforced{why}."
