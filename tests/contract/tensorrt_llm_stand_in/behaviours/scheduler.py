"""The batch: who waits, who runs, and what one step gives. Knows no versions, no threads and no responses."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.contract.tensorrt_llm_stand_in.behaviours.failures import StepFailed
from tests.contract.tensorrt_llm_stand_in.behaviours.jobs import End, Job, Strand
from tests.contract.tensorrt_llm_stand_in.behaviours.kv_cache import KvCache


class World(Protocol):
    """The ranks that compute the bits of each position together."""

    def draw(self, wanted: Sequence[tuple[int, int]]) -> list[int]:
        """Return the bits for each state and position. Raises `StepFailed`."""
        ...


@dataclass(slots=True)
class News:
    """What one step did to one sequence of a request. `last`: no other sequence of the request is left."""

    job: Job
    strand: Strand
    final: bool
    last: bool


@dataclass(slots=True)
class Counts:
    """How one step was filled."""

    context: int = 0
    context_tokens: int = 0
    generating: int = 0
    paused: int = 0
    completed: int = 0
    decoded: int = 0


@dataclass(slots=True)
class Scheduler:
    """`evict`: MAX_UTILIZATION, otherwise GUARANTEED_NO_EVICT. `irregular`: some steps give two tokens."""

    world: World
    kv: KvCache
    max_batch_size: int
    vocab_size: int
    evict: bool = False
    irregular: bool = True
    empty_endings: bool = True
    waiting: deque[Job] = field(default_factory=deque)
    running: dict[int, Job] = field(default_factory=dict)
    cancelled: dict[int, int] = field(default_factory=dict)
    steps: int = 0
    counts: Counts = field(default_factory=Counts)

    def cancel(self, job_id: int) -> bool:
        """End a request at the step after the next. False for one that is not there."""
        known = job_id in self.running or any(job.id == job_id for job in self.waiting)
        if known:
            self.cancelled.setdefault(job_id, self.steps + 1)
        return known

    @property
    def stuck(self) -> bool:
        """Whether a step would do nothing until a request comes or goes."""
        if self.running or self.cancelled:
            return False
        return not self.waiting or self.kv.blocks(self._needs(self.waiting[0])) > self.kv.total

    def everybody(self) -> list[Job]:
        """Take out all requests."""
        jobs = [*self.running.values(), *self.waiting]
        for job in jobs:
            self.kv.free(job.id)
        self.running.clear()
        self.waiting.clear()
        self.cancelled.clear()
        return jobs

    def step(self) -> list[News]:
        """Give every running request its next tokens. Raises `StepFailed`."""
        self.steps += 1
        self.counts = Counts()
        news = self._end_cancelled()
        self._admit()
        self._make_room()
        return news + self._advance()

    def _end_cancelled(self) -> list[News]:
        news = []
        for job_id in [i for i, due in self.cancelled.items() if due < self.steps]:
            del self.cancelled[job_id]
            job = self.running.pop(job_id, None)
            if job is None:
                job = next((j for j in self.waiting if j.id == job_id), None)
                if job is None:
                    continue
                self.waiting.remove(job)
            self.kv.free(job_id)
            open_strands = [strand for strand in job.strands if not strand.closed]
            for strand in open_strands:
                strand.closed = True
                for lane in strand.lanes:
                    lane.end = End.CANCELLED
                news.append(News(job, strand, final=True, last=strand is open_strands[-1]))
        return news

    def _needs(self, job: Job) -> int:
        most = len(job.prompt) + len(job.lanes) * job.max_tokens
        return len(job.prompt) + len(job.lanes) * job.generated + 1 if self.evict else most

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.max_batch_size:
            job = self.waiting[0]
            if not self.kv.take(job.id, self._needs(job)):
                return
            self.running[job.id] = self.waiting.popleft()
            self.kv.remember(job.prompt)
            self.counts.context += 1
            self.counts.context_tokens += len(job.prompt)
        if len({job.beam_width for job in self.running.values()}) > 1:
            raise StepFailed(
                "Encountered an error in forwardAsync function: All requests in a batch must have the same beam "
                "width (they differ)",
                fatal=False,
            )

    def _make_room(self) -> None:
        if not self.evict:
            return
        for job in list(self.running.values()):
            while job.id in self.running:
                if self.kv.take(job.id, len(job.prompt) + len(job.lanes) * (job.generated + 2)):
                    break
                last = self.running.pop(next(reversed(self.running)))
                self.kv.free(last.id)
                self.waiting.appendleft(last)
                self.counts.paused += 1

    def _advance(self) -> list[News]:
        jobs = list(self.running.values())
        self.counts.generating = max(0, len(jobs) - self.counts.context)
        turns = [
            (job, lane, len(lane.tokens) + more)
            for job in jobs
            for more in range(self._tokens_of(job))
            for lane in job.lanes
            if lane.end is End.NOT_FINISHED
        ]
        drawn = self.world.draw([(lane.state, position) for _, lane, position in turns])
        for (job, lane, _), value in zip(turns, drawn, strict=True):
            if lane.end is End.NOT_FINISHED:
                job.extend(lane, value, self.vocab_size)
                self.counts.decoded += 1
        return [news for job in jobs for news in self._news(job)]

    def _tokens_of(self, job: Job) -> int:
        """One token a step; for a third of the requests, two at every fifth."""
        return 2 if self.irregular and job.irregular % 3 == 0 and self.steps % 5 == 0 else 1

    def _news(self, job: Job) -> list[News]:
        news = []
        for strand in job.strands:
            if strand.closed:
                continue
            if strand.ended and not self._held_back(job, strand):
                strand.closed = True
                news.append(News(job, strand, final=True, last=all(s.closed for s in job.strands)))
            elif any(lane.told < len(lane.tokens) for lane in strand.lanes):
                news.append(News(job, strand, final=False, last=False))
        if all(strand.closed for strand in job.strands):
            del self.running[job.id]
            self.kv.free(job.id)
            self.cancelled.pop(job.id, None)
            self.counts.completed += 1
        return news

    def _held_back(self, job: Job, strand: Strand) -> bool:
        """Whether the ending comes in a response of its own, without tokens: so it does for a third of requests."""
        unsaid = any(lane.told < len(lane.tokens) for lane in strand.lanes)
        return self.empty_endings and job.streaming and job.irregular % 3 == 1 and unsaid
