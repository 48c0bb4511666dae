"""What an executor answers with, in the shape that a version gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.jobs import End, Job, Lane
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.behaviours.scheduler import News

BINDINGS = "tensorrt_llm.bindings.executor"


@behaviour(f"{BINDINGS}.Response")
class Response:
    """An answer with a result or an error; asking one for the other raises."""

    def __init__(
        self,
        context: Context,
        *,
        request_id: int,
        error_msg: str | None = None,
        result: Any = None,
        client_id: int | None = None,
    ) -> None:
        self._error = error_msg
        self._result = result

    def has_error(self) -> bool:
        return self._error is not None

    @property
    def error_msg(self) -> str:
        if self._error is None:
            raise RuntimeError("[TensorRT-LLM][ERROR] Assertion failed: the response has no error")
        return self._error

    @property
    def result(self) -> Any:
        if self._error is not None:
            raise RuntimeError(self._error)
        return self._result


class Answers:
    """Makes the responses of one installed version."""

    def __init__(self, library: Any) -> None:
        self._library = library
        reasons = f"{BINDINGS}.FinishReason"
        self._reasons = library.symbol(reasons) if library.has(reasons) else None
        self._empty_cancels = library.minor >= (0, 16)

    def error(self, request_id: int, text: str, client_id: int | None = None) -> Any:
        """Return the ending of a request that went wrong."""
        return self._response(request_id, text, None, client_id)

    def of(self, news: News, *, echo: bool, all_tokens: bool, log_probs: bool, client_id: int | None) -> Any:
        """Return the response that carries what a step did; marks its tokens as told."""
        job, lanes = news.job, news.strand.lanes
        cancelled = any(lane.end is End.CANCELLED for lane in lanes)
        values: dict[str, Any] = {
            "is_final": news.last,
            "is_sequence_final": news.final,
            "sequence_index": news.strand.index,
            "output_token_ids": [self._tokens(job, lane, echo, all_tokens, cancelled) for lane in lanes],
            "finish_reasons": self._finished(lanes) if self._reasons else None,
            "cum_log_probs": [sum(lane.log_probs) for lane in lanes] if log_probs else None,
            "log_probs": [lane.log_probs for lane in lanes] if log_probs else None,
            "decoding_iter": job.generated,
        }
        for lane in lanes:
            lane.told = len(lane.tokens)
        result = self._library.record(f"{BINDINGS}.Result", **values)
        return self._response(job.id, None, result, client_id)

    def _response(self, request_id: int, text: str | None, result: Any, client_id: int | None) -> Any:
        symbol = f"{BINDINGS}.Response"
        made = self._library.record(symbol, request_id=request_id, client_id=client_id)
        behind = Response(
            Context(self._library, symbol),
            request_id=request_id,
            error_msg=text,
            result=result,
            client_id=client_id,
        )
        object.__setattr__(made, "_behaviour", behind)
        return made

    def _tokens(self, job: Job, lane: Lane, echo: bool, all_tokens: bool, cancelled: bool) -> list[int]:
        if cancelled and self._empty_cancels:
            return []
        if job.streaming and not all_tokens:
            return lane.tokens[lane.told :]
        return [*job.prompt, *lane.tokens] if echo and not job.streaming else list(lane.tokens)

    def _finished(self, lanes: Sequence[Lane]) -> list[Any]:
        """Return why each beam ended; the library tells it for single beams only (executor.h)."""
        names = [member.name for member in self._reasons]
        ends = [lane.end.name if len(lanes) == 1 else "" for lane in lanes]
        return [self._reasons[end if end in names else "NOT_FINISHED"] for end in ends]
