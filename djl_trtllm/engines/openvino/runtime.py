"""The `openvino` runtime: compiles with optimum-intel, runs with OpenVINO GenAI, on any CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, CompiledModel, Plan, Progress
from djl_trtllm.engines.base import Engine

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options


class OpenVINO:
    """A `Runtime`. What compiling needs is imported only when compiling."""

    name = "openvino"

    def plan(self, checkpoint: Checkpoint, options: Options) -> Plan:
        """Say what the compiled model depends on."""
        from djl_trtllm.engines.openvino import compile as compiler

        return compiler.plan(checkpoint, options)

    def build(self, checkpoint: Checkpoint, options: Options, out: Path, progress: Progress) -> None:
        """Compile the checkpoint into `out`, in a process of its own."""
        from djl_trtllm.engines.openvino import compile as compiler

        compiler.build(checkpoint, options, out, progress)

    def engine(self, model: CompiledModel, options: Options) -> Engine:
        """Make the engine for a compiled model; `open` starts it."""
        from djl_trtllm.engines.openvino.run import OpenVINOEngine

        return OpenVINOEngine(model, options)
