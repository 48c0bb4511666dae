"""The GPUs that this process sees, against the ranks that would be started."""

from __future__ import annotations

from collections.abc import Iterator

from djl_trtllm.doctor.finding import Finding, note, ok, problem
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.options.places import size

NAME = "GPUs"
_KERNEL = "proc/driver/nvidia/gpus"


def examine(subject: Subject) -> Iterator[Finding]:
    """Count and describe them. What they are too old for is the runtime's to say."""
    if subject.release is not None:
        yield note(
            NAME,
            "The GPUs of the machine that will serve are not known here: their number, kind and memory were not"
            " checked.",
            "Run the check there.",
        )
        return
    devices = subject.machine.devices
    if not devices:
        yield from _none(subject)
        return
    for index, device in enumerate(devices):
        yield ok(
            NAME,
            f"GPU {index}: {device.name}, compute capability {device.capability},"
            f" {size(device.memory_bytes)}.",
        )
    kinds = {(device.name, device.capability) for device in devices}
    if len(kinds) > 1 and subject.ranks > 1:
        yield note(
            NAME,
            f"The GPUs are of {len(kinds)} kinds, and an engine runs only on the kind it was built on.",
            "Choose equal ones with CUDA_VISIBLE_DEVICES.",
        )
    if subject.ranks > len(devices):
        options = subject.options
        yield problem(
            NAME,
            f"tensor_parallel_degree={options.tensor_parallel(len(devices))} x"
            f" pipeline_parallel_degree={options.pipeline_parallel_degree} needs {subject.ranks} GPUs, and"
            f" {len(devices)} are visible.",
            f"Set option.tensor_parallel_degree={len(devices) // options.pipeline_parallel_degree or 1}, or use a"
            f" machine with {subject.ranks} GPUs.",
        )


def _none(subject: Subject) -> Iterator[Finding]:
    kernel = subject.root / _KERNEL
    hidden = subject.environ.get("CUDA_VISIBLE_DEVICES")
    if kernel.is_dir() and any(kernel.iterdir()):
        cause = (
            f"CUDA_VISIBLE_DEVICES={hidden} hides them" if hidden is not None else "CUDA does not reach them"
        )
        yield note(
            NAME,
            f"The NVIDIA driver is here, but no GPU is visible: {cause}.",
            "Start the container with --gpus all, and unset CUDA_VISIBLE_DEVICES.",
        )
        return
    yield note(
        NAME, "No GPU is visible, so nothing about GPUs was checked.", "Run the check where the GPUs are."
    )
    if subject.mpi:
        yield note(
            NAME,
            "engine=MPI does not start in DJL-Serving without a CUDA runtime library.",
            "Set engine=Python; `djl-trtllm serve` brings a stand-in of that library.",
        )
