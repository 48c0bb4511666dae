"""The `trtllm` runtime: compiles with TensorRT-LLM on every rank, runs the engines through its batch manager."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, CompiledModel, Plan, Progress, Team
from djl_trtllm.engines.base import Engine, Follower

if TYPE_CHECKING:
    from djl_trtllm.compile.quality import Quality
    from djl_trtllm.engines.estimate import Estimate
    from djl_trtllm.options.table import Options


class TensorRTLLM:
    """A `Runtime`. TensorRT-LLM itself is imported by build children, and when an engine opens."""

    name = "trtllm"

    def __init__(self) -> None:
        self._opened = False

    def plan(self, checkpoint: Checkpoint, options: Options, world: int) -> Plan:
        """Say what the engines depend on."""
        from djl_trtllm.engines.trtllm import compile as compiler

        return compiler.plan(checkpoint, options, world)

    def estimate(self, source: Checkpoint | CompiledModel, options: Options, world: int) -> Estimate:
        """Say what the model will take of each GPU."""
        from djl_trtllm.engines.trtllm import estimate

        return estimate.of(source, options, world)

    def build(
        self, checkpoint: Checkpoint, options: Options, team: Team, out: Path, progress: Progress
    ) -> None:
        """Compile this rank's engine into `out`, in a process of its own."""
        from djl_trtllm.engines.trtllm import compile as compiler

        compiler.build(checkpoint, options, team, out, progress)

    def assess(
        self, checkpoint: Checkpoint, options: Options, team: Team, out: Path, progress: Progress
    ) -> Quality | None:
        """Compare the engine with transformers' own running of the checkpoint, each in a process of its own."""
        from djl_trtllm.engines.trtllm import compile as compiler

        return compiler.assess(checkpoint, options, team, out, progress)

    def check(self, model: CompiledModel, options: Options, world: int) -> None:
        """Refuse engines of another version, GPU or number of ranks, or with a file missing."""
        from djl_trtllm.engines.trtllm import gpus, prebuilt, versions

        text = model.text_path if options.tokenizer is None else None
        prebuilt.check(model.path, options, world, versions.installed(), gpus.devices(), text=text)

    def engine(self, model: CompiledModel, options: Options, team: Team) -> Engine:
        """Make the engine of rank 0, not yet open. From the second on, opening has a deadline of its own."""
        from djl_trtllm.engines.trtllm import engine_links, run

        again, self._opened = self._opened, True
        return run.engine(engine_links.openable(model, options), options, team, again=again)

    def follower(self, model: CompiledModel, options: Options, team: Team) -> Follower:
        """Make the part of another rank, not yet open."""
        from djl_trtllm.engines.trtllm import engine_links, follower

        return follower.follower(engine_links.openable(model, options), options, team)
