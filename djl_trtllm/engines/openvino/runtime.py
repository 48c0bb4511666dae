"""The `openvino` runtime: compiles with optimum-intel, runs with OpenVINO GenAI, on any CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, CompiledModel, Plan, Progress, Team
from djl_trtllm.engines.base import Engine, Follower
from djl_trtllm.errors import RankError

if TYPE_CHECKING:
    from djl_trtllm.compile.quality import Quality
    from djl_trtllm.engines.estimate import Estimate
    from djl_trtllm.options.table import Options


class OpenVINO:
    """A `Runtime`. What compiling needs is imported only when compiling."""

    name = "openvino"

    def __init__(self) -> None:
        self._compared: dict[Path, Quality | None] = {}

    def plan(self, checkpoint: Checkpoint, options: Options, world: int) -> Plan:  # noqa: ARG002
        """Say what the compiled model depends on."""
        from djl_trtllm.engines.openvino import compile as compiler

        return compiler.plan(checkpoint, options)

    def estimate(self, source: Checkpoint | CompiledModel, options: Options, world: int) -> Estimate:  # noqa: ARG002
        """Say what the model will take of this machine."""
        from djl_trtllm.engines.openvino import estimate

        return estimate.of(source, options)

    def build(
        self,
        checkpoint: Checkpoint,
        options: Options,
        team: Team,  # noqa: ARG002
        out: Path,
        progress: Progress,
    ) -> None:
        """Compile the checkpoint into `out`, in a process of its own, and compare a quantised model in another."""
        from djl_trtllm.engines.openvino import compile as compiler

        self._compared[out] = compiler.build(checkpoint, options, out, progress)

    def assess(
        self,
        checkpoint: Checkpoint,  # noqa: ARG002
        options: Options,  # noqa: ARG002
        team: Team,  # noqa: ARG002
        out: Path,
        progress: Progress,  # noqa: ARG002
    ) -> Quality | None:
        """Return what `build` has found out while the unquantised model was at hand."""
        return self._compared.pop(out)

    def check(self, model: CompiledModel, options: Options, world: int) -> None:
        """Nothing to refuse: opening a model tells what is wrong with it, in a child process."""

    def engine(self, model: CompiledModel, options: Options, team: Team) -> Engine:  # noqa: ARG002
        """Make the engine for a compiled model; `open` starts it."""
        from djl_trtllm.engines.openvino.run import OpenVINOEngine

        return OpenVINOEngine(model, options)

    def follower(self, model: CompiledModel, options: Options, team: Team) -> Follower:  # noqa: ARG002
        """Refuse: one process runs the model."""
        raise RankError("The openvino runtime runs a model in one process.")
