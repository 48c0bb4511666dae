"""The child's loop around one `ContinuousBatchingPipeline`: take messages, step, send one message of news.

Facts of OpenVINO GenAI 2026.4.1 that shape it, all observed:
- `read()` without `can_read()` blocks for ever with the GIL held, so it is never called blindly.
- An exception in `step()` breaks every sequence in flight. Cancelling all of them and stepping once makes the
  pipeline usable again.
- A sequence that finds no room in the KV cache gets status IGNORED; its last read is empty, or never comes.
- Two live sequences with one id break the pipeline, so the ids it sees are counted here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from djl_trtllm.engines import memory
from djl_trtllm.engines.openvino import messages as m
from djl_trtllm.engines.openvino.guides.queue import GuideQueue
from djl_trtllm.engines.openvino.link import Link

logger = logging.getLogger(__name__)

IDLE_PAUSE = 0.001
"""Seconds to pause after a step that had nothing to run, so that a pipeline that is stuck does not spin."""


class BrokenPipelineError(Exception):
    """The pipeline cannot be used again; the process has to end. `kind` as in `Failed`."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class _Live:
    """One sequence in the pipeline: our id, its handle, and whether log-probabilities were asked for."""

    __slots__ = ("handle", "id", "logprobs")

    def __init__(self, id: int, handle: Any, logprobs: bool) -> None:  # noqa: A002
        self.id = id
        self.handle = handle
        self.logprobs = logprobs


class Loop:
    """Runs sequences until the parent closes the connection or says `Close`.

    `config` makes the pipeline's GenerationConfig of a sequence, `tensor` its prompt of packed ids, and
    `ends` says what the value of a GenerationFinishReason means as a `Chunk.end`. Sequences that are bound wait in
    `guides` until what they are bound to is compiled.
    """

    def __init__(
        self,
        pipeline: Any,
        link: Link,
        config: Callable[[m.Sequenced], Any],
        tensor: Callable[[bytes], Any],
        ends: dict[int, int],
        guides: GuideQueue | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._link = link
        self._config = config
        self._tensor = tensor
        self._ends = ends
        self._guides = guides
        self._live: dict[int, _Live] = {}
        self._next = 0
        self._news: list[m.Chunk] = []
        self._step_once = False

    def run(self) -> None:
        """Serve until the parent is done with us. Raises `BrokenPipelineError`."""
        while self._take_messages():
            if self._live or self._step_once:
                self._step()
            if self._news:
                self._send(None)

    def _take_messages(self) -> bool:
        """Take in all that waits, blocking only when there is nothing to run. False when it is time to end."""
        waiting = self._link.receive(0 if self._live or self._step_once else None)
        if waiting is None:
            self._drop_all()
            return False
        for data in waiting:
            message = m.decode_to_child(data)
            if isinstance(message, m.Submit):
                for sequence in message.sequences:
                    if self._guides is not None and sequence.guide is not None:
                        self._guides.put(sequence)
                    else:
                        self._add(sequence)
            elif isinstance(message, m.Cancel):
                for id_ in message.ids:
                    self._cancel(id_)
                if self._guides is not None:
                    self._guides.drop(message.ids)
            else:
                self._drop_all()
                return False
        if self._guides is not None:
            self._add_bound(self._guides)
        return True

    def _add_bound(self, guides: GuideQueue) -> None:
        ready, refused = guides.next()
        for sequence in ready:
            self._add(sequence)
        self._news += [m.Chunk(sequence.id, [], None, m.REFUSED) for sequence in refused]

    def _add(self, sequence: m.Sequenced) -> None:
        self._next += 1
        try:
            handle = self._pipeline.add_request(
                self._next, self._tensor(sequence.prompt), self._config(sequence)
            )
        except Exception as error:
            logger.warning("The pipeline refused request %d: %s", sequence.id, first_line(error))
            self._news.append(m.Chunk(sequence.id, [], None, m.REFUSED))
            if self._guides is not None:
                self._guides.seen([sequence.id])
            return
        self._live[sequence.id] = _Live(sequence.id, handle, sequence.sampling.logprobs)

    def _cancel(self, id_: int) -> None:
        live = self._live.pop(id_, None)
        if live is not None:
            live.handle.cancel()
            self._step_once = True  # The blocks come back one step later.

    def _step(self) -> None:
        self._step_once = False
        try:
            self._pipeline.step()
        except Exception as error:
            self._recover(error)
            return
        self._collect()
        metrics = self._pipeline.get_metrics()
        running = min(int(metrics.scheduled_requests), len(self._live))
        if running or self._news or not self._live:
            self._send(m.Load(running, float(metrics.cache_usage)))
        else:
            # Nothing ran: no progress to report, and nothing to spin for.
            time.sleep(IDLE_PAUSE)

    def _collect(self) -> None:
        """Move what the step produced from the handles to the news."""
        news, ends, ended = self._news, self._ends, []
        for live in self._live.values():
            handle = live.handle
            if handle.can_read():
                read = handle.read()
                if read:
                    # Exactly one sequence per handle: no beams, no n > 1 in the pipeline.
                    (output,) = read.values()
                    end = ends[output.finish_reason.value]
                    logprobs = output.generated_log_probs if live.logprobs else None
                    news.append(m.Chunk(live.id, output.generated_ids, logprobs, end))
                    if end:
                        ended.append(live.id)
                    continue
            if handle.get_status().name != "RUNNING":
                news.append(m.Chunk(live.id, [], None, m.IGNORED))
                ended.append(live.id)
        for id_ in ended:
            del self._live[id_]
        if self._guides is not None:
            self._guides.seen(chunk.id for chunk in news)

    def _send(self, load: m.Load | None) -> None:
        news, self._news = self._news, []
        self._link.send(m.encode(m.Step(news, load)))

    def _recover(self, error: Exception) -> None:
        """End everybody in flight after an exception in `step()` and make the pipeline usable again."""
        logger.error("A step failed with %d requests in flight: %s", len(self._live), first_line(error))
        if out_of_memory(error):
            # Goes on for a while, then crashes (observed): start afresh.
            raise BrokenPipelineError(m.MEMORY, first_line(error)) from error
        for live in self._live.values():
            tokens: list[int] = []
            while live.handle.can_read() and (read := live.handle.read()):
                (output,) = read.values()
                tokens += output.generated_ids
            # Without their log-probabilities the tokens are of no use to who asked for both.
            self._news.append(m.Chunk(live.id, [] if live.logprobs else tokens, None, m.BROKEN))
            live.handle.cancel()
        if self._guides is not None:
            self._guides.seen(self._live)
        self._live.clear()
        try:
            self._pipeline.step()
        except Exception as again:
            raise BrokenPipelineError(m.OTHER, first_line(again)) from again

    def _drop_all(self) -> None:
        """Cancel what still runs: a pipeline destroyed with live sequences complains on standard output."""
        if not self._live:
            return
        for live in self._live.values():
            live.handle.cancel()
        self._live.clear()
        self._pipeline.step()


def out_of_memory(error: Exception) -> bool:
    """Whether an exception of OpenVINO says that memory ran out."""
    return memory.ran_out(error) or "memory" in str(error).lower()


def first_line(error: Exception) -> str:
    """The first line of an exception that is not about OpenVINO's own source files."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return (telling or lines or [""])[0][:300].rstrip(".! ") or type(error).__name__
