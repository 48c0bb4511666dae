"""One build by all ranks: rank 0 prepares the checkpoint and quantises it, every rank builds its own engine.

After each step all ranks agree, so that what fails on one ends the build on all. What happens in between watches the
team, so that no rank goes on for an hour after another has failed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from djl_trtllm.compile import disk
from djl_trtllm.core import Checkpoint, Progress, Team
from djl_trtllm.engines.trtllm import calibration_set, scratch
from djl_trtllm.engines.trtllm.build_job import CALIBRATION, CHECKPOINT, QUANTISED, SCRATCH, Job, TextJob
from djl_trtllm.engines.trtllm.families import Family, family
from djl_trtllm.engines.trtllm.neutral import neutral
from djl_trtllm.engines.trtllm.option_rows import RUN_PLACES
from djl_trtllm.engines.trtllm.resolved import Resolved
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import CompileError, LoadError
from djl_trtllm.model.checkpoint import weights_bytes
from djl_trtllm.model.locate import tokenizer_directory

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

RunJob = Callable[[Job, "Options", Progress, Callable[[], None]], None]

_VARIANTS = ("gpt_variant", "chatglm_version")
_ROOM = 1.05


class TeamBuild:
    """One rank's part of one build into the directory `out`. `run_job` does a job, in a child process for instance."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        options: Options,
        resolved: Resolved,
        release: Release,
        team: Team,
        out: Path,
        progress: Progress,
        run_job: RunJob,
    ) -> None:
        self._checkpoint = checkpoint
        self._kind: Family = family(checkpoint)
        self._options = options
        self._resolved = resolved
        self._release = release
        self._team = team
        self._out = out
        self._progress = _Attended(progress, team)
        self._run_job = run_job
        self._scratch = out / SCRATCH
        self._calibrated = "quantize" in resolved.arguments
        self._prepared = _prepared_name(resolved)

    def run(self) -> None:
        """Build. Raises `LoadError`; `RankError` where another rank failed."""
        leads = self._team.rank == 0
        self._agreed(self._prepare if leads else None)
        if self._calibrated:
            self._agreed(self._quantise if leads else None)
        self._agreed(self._build)
        if leads:
            shutil.rmtree(self._scratch)

    def _agreed(self, step: Callable[[], None] | None) -> None:
        """Do a step, then tell the team how it went, whatever happened."""
        error: LoadError | None = None
        try:
            if step is not None:
                step()
        except LoadError as failure:
            error = failure
        except OSError as failure:
            error = disk.problem(failure, _cache_of(self._out))
            error.__cause__ = failure
        except Exception as failure:
            error = CompileError(f"Compiling failed with {type(failure).__name__}: {failure}")
            error.__cause__ = failure
        self._progress.waiting()
        self._team.agree(error)

    def _prepare(self) -> None:
        wanted = scratch.Wanted(
            checkpoint=self._checkpoint,
            patch=self._resolved.at("config.json"),
            release=self._release,
            tokenizer=tokenizer_directory(self._options, os.environ, self._progress),
            code=self._options.trust_remote_code,
        )
        self._scratch.mkdir()
        scratch.prepare(wanted, self._scratch / self._prepared, self._progress)

    def _quantise(self) -> None:
        asked = self._resolved.at("calibration")
        file, samples = cast("str | None", asked.get("dataset")), cast("int", asked.get("samples", 0))
        calibration_set.write(self._scratch / CALIBRATION, file, samples)
        with neutral(self._scratch) as root:
            self._do(self._job(root, calibration=str(root / CALIBRATION), quantised=str(root / QUANTISED)))
        # Whatever the weights were before, they are not needed any more, and may take as much room again.
        for shard in (self._scratch / self._prepared).glob("*.safetensors"):
            with suppress(OSError):
                shard.unlink()

    def _build(self) -> None:
        text = None
        if self._team.rank == 0:
            tokenizer = tokenizer_directory(self._options, os.environ, self._progress)
            text = TextJob(
                tokenizer=str(tokenizer or self._checkpoint.path),
                trust_remote_code=self._options.trust_remote_code,
                position_factor=self._options.rotary_scaling_factor or 1.0,
            )
        with neutral(self._scratch) as root:
            quantised = str(root / QUANTISED) if self._calibrated else None
            self._do(self._job(root, quantised=quantised, text=text))

    def _job(
        self,
        root: Path,
        *,
        quantised: str | None = None,
        calibration: str | None = None,
        text: TextJob | None = None,
    ) -> Job:
        arguments = self._resolved.arguments
        return Job(
            source=str(root / self._prepared),
            out=str(self._out),
            origin=self._checkpoint.origin,
            architecture=self._kind.map_key,
            rank=self._team.rank,
            arguments={place: dict(arguments[place]) for place in arguments if place not in RUN_PLACES},
            quantised=quantised,
            calibration=calibration,
            text=text,
        )

    def _do(self, job: Job) -> None:
        self._run_job(job, self._options, self._progress, self._team.check)


def disk_needed(checkpoint: Checkpoint, *, renamed: bool, calibrated: bool) -> int:
    """Return the bytes that compiling takes on disk: engines as large as the weights, and as much for each copy."""
    return int(weights_bytes(checkpoint) * (1 + renamed + calibrated) * _ROOM)


class _Attended:
    """Progress that names the rank, and ends the work when another rank has failed."""

    def __init__(self, progress: Progress, team: Team) -> None:
        self._progress = progress
        self._team = team
        self._rank = f"rank {team.rank}: " if team.size > 1 else ""

    def stage(self, name: str, percent: float | None = None) -> None:
        """Report a stage of this rank's. Raises `RankError` when another rank has failed."""
        self._team.check()
        self._progress.stage(f"{self._rank}{name}", percent)

    def waiting(self) -> None:
        """Report that this rank has done its part, where there are others; never raises."""
        if self._rank:
            self._progress.stage(f"{self._rank}waiting for the other ranks")


def _prepared_name(resolved: Resolved) -> str:
    """Return the name of the prepared directory, out of which ModelOpt guesses a variant: it drops the arguments."""
    asked = resolved.at("quantize")
    variants = [str(asked[name]) for name in _VARIANTS if name in asked]
    return "-".join([CHECKPOINT, *variants])


def _cache_of(out: Path) -> Path:
    return out.parent.parent if out.parent.name == "building" else out
