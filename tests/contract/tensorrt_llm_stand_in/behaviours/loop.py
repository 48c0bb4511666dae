"""The thread that steps a batch, whatever stands in front of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.contract.tensorrt_llm_stand_in.behaviours.failures import StepFailed
from tests.contract.tensorrt_llm_stand_in.behaviours.jobs import Job
from tests.contract.tensorrt_llm_stand_in.behaviours.scheduler import News, Scheduler

log = logging.getLogger("tensorrt_llm")

STEP_SECONDS = 0.0005
POLL_SECONDS = 0.002


@dataclass
class Loop:
    """Steps while there is work, sleeps while there is none.

    `deliver` gets what a step did and `fail` the requests that a failed step ended, both under the lock `changed`; a
    step itself holds no lock, so that a step that hangs blocks nobody else. `fetch` is called before every step from
    the loop's thread (a manager that polls for requests); without it requests come by `submit`. After a fatal failure
    nothing runs any more and `broken` says why; one that `survives` goes on with what comes next.
    """

    scheduler: Scheduler
    deliver: Callable[[Sequence[News]], None]
    fail: Callable[[Sequence[Job], str], None]
    trip: Callable[[], None] = lambda: None
    fetch: Callable[[], None] | None = None
    survives: bool = False
    step_seconds: float = STEP_SECONDS
    changed: threading.Condition = field(default_factory=threading.Condition)
    broken: str | None = None
    stopping: bool = False
    latency: float = 0.0
    _arrived: list[Job] = field(default_factory=list)
    _cancelled: list[int] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="tensorrt-llm-step", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the running step, and wait for that."""
        with self.changed:
            self.stopping = True
            self.changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Put requests into the queue."""
        with self.changed:
            self._arrived += jobs
            self.changed.notify_all()

    def cancel(self, job_id: int) -> None:
        """End a request; nothing happens for one that is not there."""
        with self.changed:
            self._cancelled.append(job_id)
            self.changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether no request is left."""
        return not (self._arrived or self.scheduler.waiting or self.scheduler.running)

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return len(self._arrived) + len(self.scheduler.waiting)

    def _run(self) -> None:
        while not self.stopping:
            if self.fetch is not None:
                self.fetch()
            if not self.stopping and self._take_in():
                self._step()
                time.sleep(self.step_seconds)

    def _take_in(self) -> bool:
        """Hand arrivals over to the scheduler; False when there is nothing to step, after a wait."""
        with self.changed:
            if self.broken is None:
                self.scheduler.waiting.extend(self._arrived)
                self._arrived.clear()
                for job_id in self._cancelled:
                    self.scheduler.cancel(job_id)
                self._cancelled.clear()
                if not self.scheduler.stuck:
                    return True
            if not self.stopping:
                self.changed.wait(None if self.fetch is None else POLL_SECONDS)
            return False

    def _step(self) -> None:
        begun = time.perf_counter()
        try:
            self.trip()
            news = self.scheduler.step()
        except Exception as error:
            self._failed(str(error), fatal=not isinstance(error, StepFailed) or error.fatal)
            return
        with self.changed:
            self.latency = time.perf_counter() - begun
            self.deliver(news)
            self.changed.notify_all()

    def _failed(self, text: str, *, fatal: bool) -> None:
        log.error("[TensorRT-LLM][ERROR] %s", text)
        with self.changed:
            jobs = [*self.scheduler.everybody(), *self._arrived]
            self._arrived.clear()
            if fatal and not self.survives:
                self.broken = text
            self.fail(jobs, text)
            self.changed.notify_all()
