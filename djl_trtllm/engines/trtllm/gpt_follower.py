"""The part of a rank other than 0 in TensorRT-LLM 0.8: its own manager, which runs what rank 0 tells."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from djl_trtllm.core import CompiledModel, Team
from djl_trtllm.engines.trtllm import load_errors, openings
from djl_trtllm.engines.trtllm.gpt_link import GptLink
from djl_trtllm.engines.trtllm.gpt_manager import TERMINATE, construct
from djl_trtllm.engines.trtllm.gpt_requests import inference_request
from djl_trtllm.engines.trtllm.openings import Opening
from djl_trtllm.engines.trtllm.responses import own_fault
from djl_trtllm.errors import RankError

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)


class GptManagerFollower:
    """A `Follower` over `bindings.GptManager`. There is no second opening, see `GptManagerManager`."""

    def __init__(self, model: CompiledModel, options: Options, team: Team) -> None:
        self._model = model
        self._options = options
        self._team = team
        self._manager: Any = None
        self._over = threading.Event()
        self._failure: str | None = None

    def open(self) -> None:
        """Wait for rank 0 and open this rank's part together with it. Raises `LoadError`."""
        if not openings.follow(self._team, self._options, self._construct, again=False):
            raise RankError("Rank 0 closed the engine before it was open.")

    def run(self) -> None:
        """Be there until rank 0 closes the engine. Raises `RankError` when a step fails here."""
        self._over.wait()
        if self._failure is not None:
            raise RankError(f"Rank {self._team.rank} cannot go on: {self._failure}.")
        self._manager.shutdown()
        if openings.follow(self._team, self._options, self._construct, again=True):
            raise RankError("TensorRT-LLM 0.8 on several ranks was opened twice.")

    def _construct(self) -> None:
        opening = Opening.of(self._model, self._options, self._team)
        self._link = GptLink(self._team)
        import tensorrt_llm.bindings as bindings

        self._bindings = bindings
        self._over.clear()
        self._manager = construct(
            self._model, opening, self._fetch, self._send, self._poll_stops, self._take_statistics
        )

    def _fetch(self, most: int) -> list[Any]:  # noqa: ARG002
        try:
            batch, over = self._link.told(None)
            requests = [inference_request(self._bindings, handle, values) for handle, values in batch]
        except Exception as error:
            return self._lost(error)
        if over:
            requests.append(self._bindings.InferenceRequest(TERMINATE))
            self._over.set()
        return requests

    def _poll_stops(self) -> set[int]:
        try:
            return set(self._link.told(None))
        except Exception as error:
            self._lost(error)
            return set()

    def _lost(self, error: Exception) -> list[Any]:
        self._fails(f"it lost rank 0 ({load_errors.one_line(error)})")
        return []

    def _send(self, handle: int, tensors: Sequence[Any], final: bool, error: str) -> None:  # noqa: ARG002
        """Leave answers to rank 0, which has the same. After a step that failed here the ranks differ."""
        if error and not own_fault(error):
            self._fails(f"a step of the batch failed ({error.splitlines()[0][:300]})")

    def _fails(self, why: str) -> None:
        logger.error("Rank %d: %s", self._team.rank, why)
        self._failure = why
        self._over.set()

    def _take_statistics(self, text: str) -> None:
        """Rank 0 has the same statistics and reads them."""
