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
    Guide,
    Inbox,
    Limits,
    Plan,
    Progress,
    Team,
)

if TYPE_CHECKING:
    from djl_trtllm.compile.quality import Quality
    from djl_trtllm.engines.estimate import Estimate
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

    def check(self, guide: Guide) -> None:
        """Refuse with `InvalidRequest` a guide that cannot be enforced, before it comes near a running sequence.

        Blocks for up to option.guide_timeout, so it is not for the loop's thread. Raises `Busy` where nothing can be
        checked right now.
        """
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

    @property
    def progress(self) -> float:
        """When it was last heard to work, of the monotonic clock: a token, an ending, a step that computed something.

        May lie in the future while it is known to be quiet for good reason. Takes no lock, so that a hung engine can be
        asked.
        """
        ...

    def halt(self) -> None:
        """Take note that it hangs: processes of its own write their stacks to the log and are killed.

        Called once, before `close`, without any lock, and takes at most a second. What is in flight is told nothing.
        """
        ...

    def close(self) -> None:
        """Stop and free everything. Sequences in flight end `CANCELLED`. A second call does nothing."""
        ...


class Follower(Protocol):
    """The part that a rank other than 0 takes in a running engine."""

    def open(self) -> None:
        """Open this rank's share together with the leader; blocks until all are ready. Raises `LoadError`."""
        ...

    def run(self) -> None:
        """Take part until the leader closes, opening again whenever it does. Blocks; raises `RankError`."""
        ...


class Runtime(Protocol):
    """One way of compiling and running models. `world` is the number of ranks."""

    name: str

    def plan(self, checkpoint: Checkpoint, options: Options, world: int) -> Plan | None:
        """Say what a build would depend on; None for a runtime that runs checkpoints as they are.

        Raises `UnsupportedModel` or `OptionsError`. Called on rank 0 only.
        """
        ...

    def estimate(self, source: Checkpoint | CompiledModel, options: Options, world: int) -> Estimate:
        """Say what a model will take here, loading nothing. Raises `ArtifactError` for a damaged compiled model."""
        ...

    def build(
        self, checkpoint: Checkpoint, options: Options, team: Team, out: Path, progress: Progress
    ) -> None:
        """Compile this rank's part into the directory `out`, which all ranks share, in a child process.

        Raises `CompileError` or `OutOfMemory`; `out` may hold anything then. What it holds on return is the artifact.
        """
        ...

    def assess(
        self, checkpoint: Checkpoint, options: Options, team: Team, out: Path, progress: Progress
    ) -> Quality | None:
        """Compare what was just built into `out` with the unquantised model; None where nothing was quantised.

        On rank 0 only, after `build` has returned on every rank and before anything is published. Leaves the artifact
        in `out` as it is. A comparison that fails is no error: the result says why there are no figures.
        """
        ...

    def check(self, model: CompiledModel, options: Options, world: int) -> None:
        """Refuse with `ArtifactError` what cannot run here, before any engine code is touched. On every rank."""
        ...

    def engine(self, model: CompiledModel, options: Options, team: Team) -> Engine:
        """Make an engine for a compiled model, not yet open. On rank 0, again for every reopening."""
        ...

    def follower(self, model: CompiledModel, options: Options, team: Team) -> Follower:
        """Make the part of a rank other than 0, not yet open."""
        ...
