"""The seam between the rolling batch and whatever generates tokens.

A `Runtime` knows how to compile a checkpoint and how to make an `Engine` from the result. An engine runs
sequences and delivers their news to an `Inbox`; nothing above this seam knows which engine it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from djl_trtllm.core import (
    Checkpoint,
    CompiledModel,
    EngineRequest,
    EngineStats,
    Features,
    Inbox,
    Limits,
    Plan,
    Progress,
)

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options


class EngineClosedError(RuntimeError):
    """An engine was used before `open` or after `close`: a mistake of the caller, never of a request."""


class Engine(Protocol):
    """Generates tokens for any number of sequences at once.

    Life: made, opened once, closed once; it is never opened again. `submit`, `cancel`, `stats` and `close`
    may be called from any thread. The engine calls the inbox from its own threads and from inside `submit`
    and `cancel`, so an inbox must not call the engine back and the caller must hold no lock that its inbox
    takes.

    Per id the news are: chunks with tokens in order, then exactly one chunk with a finish or an error, then
    nothing. When the engine breaks, every sequence in flight gets a retryable error as its ending, then
    `inbox.dead` is called once, and whatever is submitted afterwards gets the same ending at once.
    """

    @property
    def limits(self) -> Limits:
        """What it can take. Known once `open` has returned; `EngineClosedError` before."""
        ...

    @property
    def features(self) -> Features:
        """What it can do."""
        ...

    def open(self, inbox: Inbox) -> None:
        """Start, and block until ready. Raises `LoadError`; after that the engine is closed."""
        ...

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        """Take sequences. Never blocks; one that cannot run is refused by a chunk of its own.

        An id that is in flight already is a mistake of the caller and raises `ValueError` with nothing taken.
        """
        ...

    def cancel(self, ids: Sequence[int]) -> None:
        """End sequences now: each that is in flight gets one `CANCELLED` ending, and no tokens after it.

        Ids that have ended, or were never there, are ignored.
        """
        ...

    def stats(self) -> EngineStats:
        """Return a recent snapshot of the load; it may be a second old."""
        ...

    def close(self) -> None:
        """Stop and free everything. Sequences in flight end `CANCELLED`. A second call does nothing."""
        ...


class Runtime(Protocol):
    """One way of compiling and running models."""

    name: str

    def plan(self, checkpoint: Checkpoint, options: Options) -> Plan:
        """Say what a build would depend on. Raises `UnsupportedModel` or `OptionsError`."""
        ...

    def build(self, checkpoint: Checkpoint, options: Options, out: Path, progress: Progress) -> None:
        """Compile into the empty directory `out`, in a child process; `CompileError` or `OutOfMemory`."""
        ...

    def engine(self, model: CompiledModel, options: Options) -> Engine:
        """Make an engine for a compiled model, not yet open."""
        ...
