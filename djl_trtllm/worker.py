"""A worker process: what becomes of each call of DJL.

`handle` is called with an empty input to load the model, then once for every step. Nothing raises out of it: DJL
would fail every listed request, and replace the message of a failed load (observed on 0.27 to 0.36).

What a call means depends on the process's part, which the load decides once: to serve alone, to lead other ranks, or
to follow.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from djl_python.inputs import Input
from djl_python.outputs import Output

from djl_trtllm import ranks
from djl_trtllm.errors import DjlTrtllmError, EngineRestarting, InternalError
from djl_trtllm.rolling_batch.wire import Wire
from djl_trtllm.telemetry import logs, stall

if TYPE_CHECKING:
    from djl_trtllm.ranks.replies import Given
    from djl_trtllm.service import Following, Service

log = logging.getLogger(__name__)


def handle(inputs: Input) -> Output | None:
    """Load on the first, empty call; answer one step on every later one."""
    return _part(inputs)


def _load(inputs: Input) -> Output | None:
    global _part
    logs.configure(_log_settings(inputs.get_properties()))
    if ranks.place(os.environ)[1] > 1:
        from djl_trtllm.ranks import ending

        # First of all, so that whatever else is to be done at the end is done before.
        ending.end_without_mpi()
    try:
        from djl_trtllm import service

        loaded = service.load(inputs.get_properties(), os.environ, Wire().item_chars)
    except DjlTrtllmError as error:
        log.error("the model was not loaded: %s", error)
        return _failed(error.status, error.wire_text(), str(error))
    except Exception as error:
        log.exception("the model was not loaded")
        reason = f"The model was not loaded: {type(error).__name__}, see the log."
        return _failed(503, reason, reason)
    # What loading made lives as long as the worker; the collector need not look at it again in every step.
    gc.collect()
    gc.freeze()
    _part = _part_of(loaded)
    _mind_the_end(loaded)
    return None


def _log_settings(properties: Mapping[str, object]) -> logs.Settings:
    from djl_trtllm.options import sources

    rank, _ = ranks.place(os.environ)
    as_json = sources.early(properties, os.environ, "log_format") == "json"
    return logs.Settings(json=as_json, rank=rank, secrets=(os.environ, properties))


def _failed(status: int, answer: str, reason: str) -> Output:
    """Answer a failed load. Ranks end by themselves after it: DJL may have heard of none, or of one alone."""
    rank, size = ranks.place(os.environ)
    if size > 1:
        from djl_trtllm.ranks import ending

        ending.end(rank, reason)
    return Output(code=status, message=logs.hide(answer))


def _mind_the_end(loaded: Service | Following) -> None:
    """On SIGTERM, tell everybody who is being answered."""
    from djl_trtllm.ranks import ending
    from djl_trtllm.service import Service

    if isinstance(loaded, Service) and threading.current_thread() is threading.main_thread():
        ending.last_words(loaded.stop)


def _part_of(loaded: Service | Following) -> Callable[[Input], Output | None]:
    from djl_trtllm.service import Service

    options = loaded.options
    wire = Wire(lmi_codes=options.error_codes == "lmi", rolling=options.rolling_batch != "disable")
    if not isinstance(loaded, Service):
        return Follower(loaded, wire).handle
    server = Server(loaded, wire)
    if loaded.given is None:
        return server.handle
    return Leader(server, loaded.given).handle


class Server:
    """The part of a process that answers DJL."""

    def __init__(self, service: Service, wire: Wire) -> None:
        self._service = service
        self._wire = wire

    def handle(self, inputs: Input) -> Output | None:
        """Answer one step, or one call without a rolling batch."""
        if inputs.is_empty():
            return None
        service, wire = self._service, self._wire
        if service.lost:
            stall.end(service.lost)
        try:
            if wire.is_step(inputs):
                return wire.write(service.step(wire.read(inputs, service.active)))
            return wire.whole(service.answer(wire.single(inputs)))
        except Exception as error:
            log.error("a step failed: %s", logs.describe(error))
            service.reset()
            failure = InternalError("The server failed while answering; send the request again.")
            return wire.failed(inputs, failure)


class Leader:
    """The part of rank 0 of several."""

    def __init__(self, server: Server, given: Given) -> None:
        self._server = server
        self._given = given

    def handle(self, inputs: Input) -> Output | None:
        """Answer, and remember the answer for ranks that are asked too."""
        output = self._server.handle(inputs)
        if output is not None:
            self._given.answered(output)
        return output


class Follower:
    """The part of another rank: its engine runs by itself, and DJL asks it nothing, or what it has asked rank 0."""

    def __init__(self, following: Following, wire: Wire) -> None:
        self._following = following
        self._wire = wire

    def handle(self, inputs: Input) -> Output | None:
        """Reply what rank 0 replies to the same call."""
        if inputs.is_empty():
            return None
        try:
            return cast("Output", self._following.reply())
        except Exception as error:
            log.error("rank 0's reply was not had: %s", logs.describe(error))
            return self._wire.failed(inputs, EngineRestarting("A rank of the model failed; try again later."))


_part: Callable[[Input], Output | None] = _load
