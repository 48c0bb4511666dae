"""An engine that outlives its engine: when the inner one breaks, another is opened in its place.

The worker process lives on, and the compiled model is only loaded again. From DJL-Serving 0.33 on a worker that
dies takes its endpoint down for good by default, so dying is the last thing to try.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from djl_trtllm.core import (
    EngineRequest,
    EngineStats,
    Features,
    FinishReason,
    Guide,
    Inbox,
    Limits,
    TokenChunk,
)
from djl_trtllm.engines.base import Engine, EngineClosedError
from djl_trtllm.engines.relay import Relay
from djl_trtllm.errors import Busy, DjlTrtllmError, EngineRestarting, RankError

logger = logging.getLogger(__name__)


CLOSING = 30.0
"""Seconds that an engine may take to close, before it is left behind. A thread of its own waits on for it."""

LOCKED = 1.0
"""Seconds to wait for a lock that a thread which hangs in an engine may hold for ever."""


class Supervisor:
    """An `Engine` around the engines that `make` gives, one after another.

    What was in flight when one broke has had its retryable ending from it. Requests that come while the next one
    opens wait, at most `max_held` of them, the others get `Busy`. A breakage counts as a failure unless the
    engine had finished a request; after `max_failures` of them in a row the engine is given up: those who wait
    get `EngineRestarting`, then `inbox.dead` is called. The first attempt follows at once, later ones after
    `delay` seconds, doubled each time up to `max_delay`. Where a rank is lost nothing can be reopened: a `RankError`
    from reopening, and `abandon`, give the engine up at once. So does an opening that takes longer than `opening`
    seconds, where somebody looks (`progress`, `replace`). `reopened` counts the engines after the first,
    `stalls` those that were let go of because they hung.
    """

    def __init__(
        self,
        make: Callable[[], Engine],
        *,
        max_failures: int = 5,
        delay: float = 0.5,
        max_delay: float = 30.0,
        max_held: int = 1000,
        opening: float = 240.0,
    ) -> None:
        self._make = make
        self._max_failures = max_failures
        self._delay = delay
        self._max_delay = max_delay
        self._max_held = max_held
        self._deaths: queue.SimpleQueue[Relay | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # Always taken before an inner engine's own.
        self._held: dict[int, EngineRequest] = {}
        self._inbox: Inbox | None = None
        self._engine: Engine | None = None
        self._opening: Engine | None = None
        self._relay: Relay | None = None
        self._limits: Limits | None = None
        self._features = Features()
        self._given_up = False
        self._allowed = opening
        self._since: float | None = None
        self.reopened = 0
        self.stalls = 0
        self.lost = ""
        """Why the engine was given up; empty while it was not."""
        self._closed = threading.Event()
        self._keeper: threading.Thread | None = None

    @property
    def limits(self) -> Limits:
        """Limits of the engine that was opened last."""
        if self._limits is None:
            raise EngineClosedError("The engine is not open.")
        return self._limits

    @property
    def features(self) -> Features:
        """Features of the engine that was opened last."""
        return self._features

    def open(self, inbox: Inbox) -> None:
        """Open the first engine; if that fails there is nothing to supervise and its `LoadError` goes up."""
        if self._closed.is_set() or self._inbox is not None:
            raise EngineClosedError("An engine is opened once.")
        self._inbox = inbox
        try:
            self._open_next(inbox)
        except BaseException:
            self._closed.set()
            raise
        self._keeper = threading.Thread(target=self._keep, args=(inbox,), name="engine-keeper", daemon=True)
        self._keeper.start()

    def check(self, guide: Guide) -> None:
        """Ask the engine; while there is none, nothing can be told."""
        with self._lock:
            self._open_inbox()
            engine = None if self._broken() else self._engine
        if engine is None:
            raise _gone() if self._given_up else Busy("The engine is restarting; try again.")
        engine.check(guide)

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        """Pass on, or hold while the engine is being reopened."""
        with self._lock:
            inbox = self._open_inbox()
            if self._held and any(request.id in self._held for request in requests):
                raise ValueError("A request id that is in flight was submitted again.")
            if self._engine is not None and not self._broken():
                self._engine.submit(requests)
                return
            refused = []
            for request in requests:
                if self._given_up:
                    refused.append(TokenChunk(request.id, error=_gone()))
                elif len(self._held) >= self._max_held:
                    refused.append(TokenChunk(request.id, error=Busy("The engine is restarting; try again.")))
                else:
                    self._held[request.id] = request
            if refused:
                inbox.put(refused)

    def cancel(self, ids: Sequence[int]) -> None:
        """Cancel wherever they are: held, or in the engine."""
        with self._lock:
            inbox = self._open_inbox()
            held = [i for i in dict.fromkeys(ids) if self._held.pop(i, None) is not None]
            if held:
                inbox.put([TokenChunk(i, finish=FinishReason.CANCELLED) for i in held])
            if self._engine is not None and not self._broken():
                self._engine.cancel(ids)

    def stats(self) -> EngineStats:
        """Return the engine's load; while there is none, or it hangs with our lock, those who wait for it."""
        self._open_inbox()
        told = EngineStats(waiting=len(self._held), up=False)
        if self._lock.acquire(timeout=LOCKED):
            try:
                if self._engine is not None and not self._broken():
                    told = self._engine.stats()
            finally:
                self._lock.release()
        return replace(told, reopenings=self.reopened, stalls=self.stalls)

    @property
    def progress(self) -> float:
        """When the engine last worked, of the monotonic clock; one that is being opened in time does."""
        engine, since = self._engine, self._since
        if engine is not None and not self._broken():
            return engine.progress
        now = time.monotonic()
        return now if since is None or now - since < self._allowed else since

    def replace(self, why: str) -> None:
        """Let go of an engine that hangs, whatever it is doing, and open another one in the keeper's thread.

        What is in flight gets no ending and no more chunks: that is the caller's. The engine is given up where one is
        being opened already, or where a thread hangs inside it with our lock. Waits for nothing longer than a second.
        """
        inbox, relay = self._inbox, self._relay
        if inbox is None or self._closed.is_set():
            return
        if not self._lock.acquire(timeout=LOCKED):
            self._give_up(inbox, f"{why} It holds up whoever calls it.")
            return
        try:
            opened = self._engine is not None and relay is not None and not relay.broken
            if relay is not None and opened:
                relay.hangs()
                self.stalls += 1
        finally:
            self._lock.release()
        if not opened:
            self._give_up(inbox, f"{why} It was being reopened.")

    def halt(self) -> None:
        """Take the engine for hung, as somebody who supervises this one might."""
        self.replace("The engine was halted.")

    def abandon(self, error: DjlTrtllmError) -> None:
        """Give the engine up, whatever it is doing. It is not closed: that could wait for a rank that is gone.

        What is in flight gets no ending and no more chunks: `inbox.dead` is the end of all of it.
        """
        if self._inbox is not None and not self._closed.is_set():
            self._give_up(self._inbox, str(error))
            self._deaths.put(None)

    def close(self) -> None:
        """Close the engine, or stop opening one. What is held ends `CANCELLED`."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            inbox, held = self._inbox, list(self._held)
            self._held.clear()
            if inbox is not None and held:
                inbox.put([TokenChunk(i, finish=FinishReason.CANCELLED) for i in held])
            engine, opening = self._engine, self._opening
            self._engine = None
        self._deaths.put(None)
        for inner in (opening, engine):
            if inner is not None:
                _close(inner)
        if self._keeper is not None and self._keeper is not threading.current_thread():
            self._keeper.join(5)

    def _keep(self, inbox: Inbox) -> None:
        """Replace engines as they die. The keeper's thread."""
        try:
            self._replace_all(inbox)
        except BaseException as error:
            logger.exception("The thread that reopens the engine failed.")
            self._give_up(inbox, f"The thread that reopens it ended with {type(error).__name__}.")

    def _replace_all(self, inbox: Inbox) -> None:
        failures = 0
        while (relay := self._deaths.get()) is not None and not self._closed.is_set():
            if relay.replaced or self._given_up:
                continue
            relay.replaced = True
            self._since = time.monotonic()
            failures = 1 if relay.useful else failures + 1
            self._close_broken(relay)
            while failures < self._max_failures and not self._reopen(inbox, failures):
                if self._closed.is_set() or self._given_up:
                    return
                failures += 1
            if failures >= self._max_failures:
                self._give_up(inbox, f"It failed {failures} times in a row.")
                return

    def _reopen(self, inbox: Inbox, failures: int) -> bool:
        """Wait as long as this failure deserves, open another engine, give it what was held; whether it opened."""
        pause = 0.0 if failures == 1 else min(self._delay * 2 ** (failures - 2), self._max_delay)
        if self._closed.wait(pause):
            return False
        started = time.monotonic()
        try:
            self._open_next(inbox)
        except RankError as error:
            self._give_up(inbox, str(error))
            return False
        except Exception as error:
            if not self._closed.is_set():
                logger.error("The engine could not be reopened: %s", error)
            return False
        self._since = None
        self.reopened += 1
        logger.warning("The engine was reopened in %.1f s.", time.monotonic() - started)
        return True

    def _open_next(self, inbox: Inbox) -> None:
        engine, relay = self._make(), Relay(inbox, self._deaths)
        with self._lock:
            if self._closed.is_set():
                raise EngineClosedError("The engine was closed while it was being opened.")
            self._opening = engine
        try:
            engine.open(relay)
        finally:
            with self._lock:
                self._opening = None
        with self._lock:
            if self._closed.is_set() or self._given_up:
                engine.close()
                raise EngineClosedError("The engine was closed while it was being opened.")
            self._engine, self._relay = engine, relay
            self._limits, self._features = engine.limits, engine.features
            held, self._held = list(self._held.values()), {}
            if held:
                engine.submit(held)

    def _close_broken(self, relay: Relay) -> None:
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is None:
            return
        if relay.hung:
            try:
                engine.halt()
            except Exception:
                logger.exception("The hung engine could not be halted.")
        _close(engine)

    def _give_up(self, inbox: Inbox, why: str) -> None:
        locked = self._lock.acquire(timeout=LOCKED)
        try:
            if self._given_up:
                return
            self._given_up = True
            self.lost = why
            self._engine = None
            if self._relay is not None:
                self._relay.mute()
            held = list(self._held)
            self._held.clear()
            if held:
                inbox.put([TokenChunk(i, error=_gone()) for i in held])
        finally:
            if locked:
                self._lock.release()
        logger.critical("The engine is given up. %s", why)
        inbox.dead(_gone())

    def _broken(self) -> bool:
        return self._relay is not None and self._relay.broken

    def _open_inbox(self) -> Inbox:
        if self._closed.is_set() or self._inbox is None or self._limits is None:
            raise EngineClosedError("The engine is not open.")
        return self._inbox


def _close(engine: Engine) -> None:
    """Close an engine that may hang, for at most `CLOSING` seconds; what it raises is only logged."""

    def close() -> None:
        try:
            engine.close()
        except Exception:
            logger.exception("The engine did not close cleanly.")

    # It keeps the engine alive: the destructor of one that hangs could hang too, with the interpreter's lock held.
    thread = threading.Thread(target=close, name="engine-close", daemon=True)
    thread.start()
    thread.join(CLOSING)
    if thread.is_alive():
        logger.error("The engine did not close within %.0f s and is left behind.", CLOSING)


def _gone() -> EngineRestarting:
    return EngineRestarting("The engine broke and could not be reopened.")
