"""Which runtime serves a model. A new runtime is one more entry in `_RUNTIMES`, and a reason to choose it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from djl_trtllm import installed
from djl_trtllm.engines.base import Runtime
from djl_trtllm.errors import OptionsError

if TYPE_CHECKING:
    from djl_trtllm.engines.trtllm.gpus import Gpu
    from djl_trtllm.engines.trtllm.versions import Release
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to choose from. `release` is of the TensorRT-LLM installed, None where there is none."""

    release: Release | None
    devices: Sequence[Gpu]

    @classmethod
    def here(cls) -> Machine:
        """Look at this machine; imports neither torch nor, where it has metadata, TensorRT-LLM."""
        from djl_trtllm.engines.trtllm import gpus, versions

        return cls(versions.installed(), gpus.devices())


def _openvino() -> Runtime:
    from djl_trtllm.engines.openvino.runtime import OpenVINO

    return OpenVINO()


def _trtllm() -> Runtime:
    from djl_trtllm.engines.trtllm.runtime import TensorRTLLM

    return TensorRTLLM()


def _trtllm_pytorch() -> Runtime:
    from djl_trtllm.engines.trtllm.llm_runtime import TensorRTLLMPyTorch

    return TensorRTLLMPyTorch()


_RUNTIMES: Mapping[str, Callable[[], Runtime]] = {
    "trtllm": _trtllm,
    "trtllm-pytorch": _trtllm_pytorch,
    "openvino": _openvino,
}
"""Every runtime that can be chosen, by its name in the option `runtime`."""


_LIBRARIES: Mapping[str, Sequence[str]] = {
    "trtllm": ("tensorrt", "tokenizers"),
    "trtllm-pytorch": ("torch", "tokenizers"),
    "openvino": ("openvino", "openvino-genai", "tokenizers"),
}
"""The packages that run a model, by runtime; TensorRT-LLM itself tells its release in several ways."""


def choose(options: Options, team_size: int) -> Runtime:
    """Return the runtime for these options and a team of `team_size` ranks, and log which and why.

    Raises `OptionsError` with everything that stands against it.
    """
    machine = Machine.here()
    name, why = _named(options, machine)
    problems = _against(name, why, options, team_size, machine)
    if problems:
        raise OptionsError(*problems)
    logger.info("runtime %s: %s", name, why)
    return _RUNTIMES[name]()


def runtime_for(options: Options, release: Release) -> str:
    """Return the runtime that these options mean where there are GPUs and this release of TensorRT-LLM."""
    from djl_trtllm.engines.trtllm.option_rows import END

    if options.runtime != "auto":
        return options.runtime
    return "trtllm" if (release.major, release.minor) < END else "trtllm-pytorch"


def reason(options: Options) -> str:
    """Say why `choose` takes the runtime that it takes."""
    return _named(options, Machine.here())[1]


def libraries(name: str) -> Mapping[str, str]:
    """Return the versions of the packages that the runtime `name` runs models with, as far as they are installed."""
    found = {}
    if name != "openvino" and (release := Machine.here().release) is not None:
        found["tensorrt_llm"] = str(release)
    for package in _LIBRARIES.get(name, ()):
        if (version := installed.version(package)) is not None:
            found[package] = version
    return found


def ranks_of(options: Options) -> int:
    """Return how many MPI ranks a model of these options has here, before any is started; 1 is without MPI.

    `tensor_parallel_degree=max` is all GPUs, as DJL makes it with engine=MPI.
    """
    machine = Machine.here()
    if _named(options, machine)[0] != "trtllm":
        return 1
    stages = options.pipeline_parallel_degree
    return options.tensor_parallel(len(machine.devices) // stages) * stages


def _named(options: Options, machine: Machine) -> tuple[str, str]:
    """Return the runtime that the options name, or mean on a machine, and why in words."""
    return (
        (options.runtime, "option runtime names it") if options.runtime != "auto" else _best(options, machine)
    )


def _best(options: Options, machine: Machine) -> tuple[str, str]:
    """Return the runtime that `auto` means on a machine, and why in words."""
    release, devices = machine.release, machine.devices
    if not devices:
        return "openvino", "no GPU is visible"
    seen = f"{len(devices)} GPU{'s' * (len(devices) > 1)} ({devices[0].name})"
    if release is None:
        return "openvino", f"there are {seen}, but tensorrt_llm is not installed"
    return runtime_for(options, release), f"{seen} and TensorRT-LLM {release} are here"


def _against(name: str, why: str, options: Options, team_size: int, machine: Machine) -> list[str]:
    if name == "openvino":
        return _against_openvino(options, team_size, why)
    from djl_trtllm.engines.trtllm import abilities, option_map
    from djl_trtllm.engines.trtllm.llm_map import release_problems as llm_release_problems

    said = f"runtime={name} (from {options.source_of('runtime')})"
    problems = []
    if not machine.devices:
        problems.append(
            f"{said} needs an NVIDIA GPU, and none is visible: the driver shows none, or CUDA_VISIBLE_DEVICES hides"
            " them. Start the container with GPUs (docker run --gpus all), or set option.runtime=openvino."
        )
    if machine.release is None:
        problems.append(
            f"{said} needs the package tensorrt_llm, which is not installed. Use an LMI container with TensorRT-LLM,"
            " or set option.runtime=openvino."
        )
    elif name == "trtllm":
        problems += option_map.release_problems(machine.release)
    else:
        problems += llm_release_problems(machine.release)
    if name == "trtllm":
        problems += option_map.world_problems(options, team_size)
        problems += _idle(options, team_size, len(machine.devices))
    elif team_size > 1:
        problems.append(
            f"{said} runs in one process and starts its own workers, but {team_size} MPI ranks were started. Set"
            " engine=Python and option.rolling_batch=python; option.tensor_parallel_degree stays as it is."
        )
    return problems + abilities.problems(options, machine.devices)


def _idle(options: Options, team_size: int, gpus: int) -> list[str]:
    if options.tensor_parallel_degree != "max" or not team_size == 1 < gpus:
        return []
    return [
        f"tensor_parallel_degree=max (from {options.source_of('tensor_parallel_degree')}) means {gpus} GPUs here, but"
        " one process was started and each runs one GPU. Set engine=MPI, or tensor_parallel_degree=1."
    ]


def _against_openvino(options: Options, team_size: int, why: str) -> list[str]:
    needs = "needs the runtime trtllm; openvino runs a model in one process"
    if options.runtime == "auto":
        needs += f", and is what this machine has ({why})"
    degree = options.tensor_parallel(1)
    problems = [
        f"{name}={value} ({options.source_of(name)}) {needs}. Set {name}=1."
        for name, value in (
            ("tensor_parallel_degree", degree),
            ("pipeline_parallel_degree", options.pipeline_parallel_degree),
        )
        if value > 1
    ]
    if team_size > 1 and degree <= 1:
        problems.append(
            f"{team_size} MPI ranks were started, but openvino runs a model in one process and only the runtime "
            "trtllm can use more. Start one rank: tensor_parallel_degree=1."
        )
    return problems
