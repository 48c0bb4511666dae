"""The `trtllm-pytorch` runtime: TensorRT-LLM's LLM API runs checkpoints as they are, in workers of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, CompiledModel, Plan, Team
from djl_trtllm.engines.base import Engine, Follower
from djl_trtllm.engines.trtllm import llm_model, option_map, versions
from djl_trtllm.engines.trtllm.resolved import Resolved
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import ArtifactError, CompileError, LoadError, OptionsError, RankError

if TYPE_CHECKING:
    from djl_trtllm.engines.estimate import Estimate
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)


class TensorRTLLMPyTorch:
    """A `Runtime`. There is nothing to compile; one process serves, whatever the number of GPUs."""

    name = "trtllm-pytorch"

    def plan(self, checkpoint: Checkpoint, options: Options, world: int) -> Plan | None:  # noqa: ARG002
        """Nothing is built: the checkpoint is served as it is."""
        return None

    def estimate(self, source: Checkpoint | CompiledModel, options: Options, world: int) -> Estimate:  # noqa: ARG002
        """Say what the model will take of each GPU."""
        from djl_trtllm.engines.trtllm import estimate

        return estimate.of_checkpoint_as_it_is(source, options)

    def build(self, *_: object, **__: object) -> None:
        """Refuse: `plan` has said that there is nothing to build."""
        raise CompileError("The runtime trtllm-pytorch compiles nothing.")

    def assess(self, *_: object, **__: object) -> None:
        """Nothing was built, so nothing was quantised here."""

    def check(self, model: CompiledModel, options: Options, world: int) -> None:
        """Refuse engines, ranks, and options that this release or checkpoint cannot have."""
        if model.runtime:
            raise ArtifactError(
                f"{model.origin} is in the format of the runtime {model.runtime}, and trtllm-pytorch runs Hugging Face"
                f" checkpoints. Set option.runtime={model.runtime}, or give the checkpoint."
            )
        # The library starts its workers through MPI itself, and takes a world of one rank for none (1.0 to 1.3).
        if world > 1:
            raise RankError(
                f"The runtime trtllm-pytorch starts its own workers and cannot do so from {world} ranks of mpirun. Set"
                " engine=Python and option.rolling_batch=python; option.tensor_parallel_degree stays as it is."
            )
        resolved = _resolve(model, options, _release())
        if resolved.problems:
            raise OptionsError(*resolved.problems)
        for note in resolved.notes:
            logger.info("%s", note)

    def engine(self, model: CompiledModel, options: Options, team: Team) -> Engine:  # noqa: ARG002
        """Make the engine for a checkpoint; `open` loads it."""
        from djl_trtllm.engines.guides import GuideChecker
        from djl_trtllm.engines.trtllm.llm_run import LLMEngine

        release = _release()
        described = llm_model.describe(model, options, release, _resolve(model, options, release))
        guides = GuideChecker(options.guide_max_bytes.bytes, options.guide_timeout)
        return LLMEngine(described, guides)

    def follower(self, model: CompiledModel, options: Options, team: Team) -> Follower:  # noqa: ARG002
        """Refuse: one process runs the model."""
        raise RankError(
            "The runtime trtllm-pytorch runs a model from one process. Set engine=Python and"
            " option.rolling_batch=python."
        )


def _release() -> Release:
    release = versions.installed()
    if release is None:
        raise LoadError("The runtime trtllm-pytorch needs TensorRT-LLM 1.0 or later, and none is installed.")
    return release


def _resolve(model: CompiledModel, options: Options, release: Release) -> Resolved:
    source = llm_model.read(model)
    return option_map.resolve(options, release, source, 1, runtime=TensorRTLLMPyTorch.name)
