"""Compile a Hugging Face checkpoint into one TensorRT engine a rank: what that depends on, and where it begins.

The library is imported in child processes only, so that memory of the host and of the GPU comes back.
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, Plan, Progress, Team
from djl_trtllm.engines.building import inputs
from djl_trtllm.engines.trtllm import build_process, gpus, option_map, prebuilt, quality, versions
from djl_trtllm.engines.trtllm.option_rows import RUN_PLACES
from djl_trtllm.engines.trtllm.resolved import Arguments, Resolved
from djl_trtllm.engines.trtllm.team_build import RunJob, TeamBuild
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import OptionsError, UnsupportedModel

if TYPE_CHECKING:
    from djl_trtllm.compile.quality import Quality
    from djl_trtllm.options.table import Options

_RECIPE = (
    "build_child.py",
    "calibration_set.py",
    "convert.py",
    "hf_config.py",
    "internlm2.py",
    "scratch.py",
    "weight_files.py",
    "../building/calibration.py",
    "../building/slow_tokenizer.py",
    "../building/text_facts.py",
)
"""The files whose code decides what a build writes. Which arguments it passes is in the key by itself."""

_LIBRARIES = ("tensorrt", "torch", "transformers", "tokenizers")
_BY_CONTENT = "calibration"
"""The place with the name of the calibration file, which enters the key by its content instead."""

_HOW_READ = ("load_by_shard", "trust_remote_code")
"""Arguments about how weights are read, not which. Code that may run is in the key by its files' content."""

_logger = logging.getLogger(__name__)


def plan(checkpoint: Checkpoint, options: Options, world: int) -> Plan:
    """Say what a build would depend on; reads every file of the checkpoint that is not fingerprinted yet.

    Raises `OptionsError` with every reason why the options, the release and the checkpoint do not go together,
    `UnsupportedModel` where there is no TensorRT-LLM or no GPU.
    """
    resolved, release = _resolve(checkpoint, options, world)
    device = _device()
    for note in resolved.notes:
        _logger.warning("%s", note)
    files, _ = inputs.split(checkpoint, options, options.build_values("trtllm"))
    mapping = resolved.at("Mapping")
    return Plan(
        runtime="trtllm",
        model_type=checkpoint.model_type,
        inputs=files,
        options=_build_arguments(resolved.arguments),
        versions=_versions(release, quantising="quantize" in resolved.arguments),
        device=device,
        world_size=world,
        extra={"tp": mapping["tp_size"], "pp": mapping["pp_size"]},
    )


def build(
    checkpoint: Checkpoint,
    options: Options,
    team: Team,
    out: Path,
    progress: Progress,
    run_job: RunJob = build_process.run,
) -> None:
    """Compile this rank's part into `out`, an empty directory that all ranks share.

    Raises `CompileError`, `UnsupportedModel`, `OutOfMemory`, or `RankError` where another rank failed; `out` may hold
    anything then. On return it holds `rank<N>.engine` of every rank, config.json and the files about text.
    """
    resolved, release = _resolve(checkpoint, options, team.size)
    TeamBuild(checkpoint, options, resolved, release, team, out, progress, run_job).run()


def assess(
    checkpoint: Checkpoint, options: Options, team: Team, out: Path, progress: Progress
) -> Quality | None:
    """Return how the engine in `out` compares with the checkpoint; None where it is not quantised."""
    if options.quantize is None:
        return None
    resolved, release = _resolve(checkpoint, options, team.size)
    return quality.Comparison(checkpoint, options, resolved, release, out).quality(team, progress)


def _resolve(checkpoint: Checkpoint, options: Options, world: int) -> tuple[Resolved, Release]:
    release = versions.installed()
    if release is None:
        raise UnsupportedModel(
            f"{checkpoint.origin} cannot be compiled by the trtllm runtime: TensorRT-LLM is not installed. Use a"
            " container that has it, or set option.runtime=openvino."
        )
    resolved = option_map.resolve(options, release, checkpoint, world)
    floor = quality.problem(options, world)
    problems = [*resolved.problems, *([floor] if floor else [])]
    if problems:
        raise OptionsError(*problems)
    return resolved, release


def _build_arguments(arguments: Arguments) -> dict[str, object]:
    """Return what decides what the library builds. An option that means nothing here is not among it."""
    return {
        f"{place}.{name}": value
        for place, values in arguments.items()
        if place not in RUN_PLACES and place != _BY_CONTENT
        for name, value in values.items()
        if name not in _HOW_READ
    }


def _device() -> str:
    """Return the kind of the GPUs: an engine runs on what it was built on and nothing else."""
    kinds = sorted({prebuilt.label(gpu) for gpu in gpus.devices()})
    if not kinds:
        raise UnsupportedModel(
            "There is no GPU that the NVIDIA driver shows to this process, and TensorRT engines are built on the GPU"
            " that runs them. Check nvidia-smi and CUDA_VISIBLE_DEVICES, or set option.runtime=openvino."
        )
    return ", ".join(kinds)


def _versions(release: Release, *, quantising: bool) -> dict[str, str]:
    names = (*_LIBRARIES, "nvidia-modelopt") if quantising else _LIBRARIES
    return {
        "recipe": _recipe(),
        "tensorrt_llm": str(release),
        **{name: inputs.version(name) for name in names},
    }


@functools.cache
def _recipe() -> str:
    here = Path(__file__).parent
    return inputs.recipe(here / name for name in _RECIPE)
