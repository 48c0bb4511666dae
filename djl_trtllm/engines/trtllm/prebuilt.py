"""Engines that are there already: whether they can run here, said before TensorRT-LLM touches them.

TensorRT-LLM finds the same mistakes, but later and in words such as "Version tag does not match" or "incompatible
device", on one rank after the other, or it waits for a rank that does not come.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from djl_trtllm.compile import manifest
from djl_trtllm.engines.tokenizers import has_tokenizer
from djl_trtllm.engines.trtllm.engine_files import EngineFacts, read
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import ArtifactError
from djl_trtllm.model.engine_directory import rank_files

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

__all__ = ["EngineFacts", "check", "read"]

_LFS = b"version https://git-lfs"
_logger = logging.getLogger(__name__)


class Device(Protocol):
    """A GPU: its product name, and its compute capability as in `8.0`."""

    @property
    def name(self) -> str: ...

    @property
    def capability(self) -> str: ...


def check(
    path: Path,
    options: Options,
    world: int,
    release: Release | None,
    devices: Sequence[Device],
    *,
    text: Path | None = None,
) -> EngineFacts:
    """Return the facts of the engines at `path`; `ArtifactError` with every reason why `world` ranks cannot run them.

    `devices` are the GPUs of this machine; empty where they could not be asked, and then nothing is said of them.
    `text` is where the tokenizer should be; None where option.tokenizer names another place.
    """
    problems: list[str] = []
    facts = None
    try:
        facts = read(path)
    except ArtifactError as error:
        problems += error.problems
    if facts is not None:
        problems += _version_problems(facts, release)
        problems += _world_problems(facts, options, world)
    problems += _file_problems(path, facts.world_size if facts is not None else world)
    problems += _device_problems(path, devices[:world] or devices)
    if text is not None and not any(has_tokenizer(place) for place in (text, path)):
        problems.append(
            f"{text} has no tokenizer: neither tokenizer.json nor tokenizer.model or vocab.json is there. Copy the"
            " tokenizer's files of the Hugging Face checkpoint there, or name their directory as option.tokenizer."
        )
    if problems or facts is None:
        raise ArtifactError(*problems)
    return facts


def _version_problems(facts: EngineFacts, release: Release | None) -> Iterator[str]:
    here = "none is installed here" if release is None else f"{release} is installed here"
    if facts.version is None:
        if release is None or (release.major, release.minor) != (0, 8):
            yield (
                f"{facts.path} holds engines without a version, so TensorRT-LLM 0.8 or before has built them, and"
                f" {here}. Build them again, or use the container they were built in."
            )
        return
    try:
        built = Release.of(facts.version)
    except ValueError:
        yield f"config.json of {facts.path} has version={facts.version!r}, which is none. Build the engines again."
        return
    if release is None or _line(built) != _line(release):
        yield (
            f"{facts.path} was built by TensorRT-LLM {built}, and {here}; TensorRT reads no engine of another"
            " version. Build it again, or use the container it was built in."
        )
    elif built.text != release.text:
        _logger.warning(
            "%s was built by TensorRT-LLM %s and %s is installed: it loads only if both have the same TensorRT",
            facts.path,
            built,
            release,
        )


def _line(release: Release) -> list[str]:
    """Return major and minor number as they are written; a snapshot is of the line that it leads to."""
    return str(release).split(".")[:2]


def _world_problems(facts: EngineFacts, options: Options, world: int) -> Iterator[str]:
    shape = f"tensor parallel {facts.tp_size} x pipeline parallel {facts.pp_size}"
    if facts.cp_size > 1:
        shape += f" x context parallel {facts.cp_size}"
    split = facts.tp_size * facts.pp_size * facts.cp_size
    if split != facts.world_size:
        yield (
            f"config.json of {facts.path} has world_size={facts.world_size} and {shape}, which are {split} ranks."
            " Build the engines again."
        )
        return
    if facts.world_size != world:
        started = "1 rank was" if world == 1 else f"{world} ranks were"
        yield (
            f"The engines of {facts.path} are for {facts.world_size} ranks ({shape}), and {started} started. Set"
            f" option.tensor_parallel_degree={facts.tp_size}"
            f"{f' and option.pipeline_parallel_degree={facts.pp_size}' if facts.pp_size > 1 else ''}"
            f" with engine=MPI, or build engines for {world}."
        )
    degrees = {"tensor_parallel_degree": facts.tp_size, "pipeline_parallel_degree": facts.pp_size}
    for name, built in degrees.items():
        asked = (
            options.tensor_parallel(world) if name.startswith("tensor") else options.pipeline_parallel_degree
        )
        # Under MPI DJL writes the number of ranks over tensor_parallel_degree, whatever the engine's shape is.
        if name not in options.sources or asked == built or (asked == world == facts.world_size):
            continue
        yield (
            f"{name}={asked} (from {options.source_of(name)}) differs from the engines of {facts.path}, which were"
            f" built for {built}. Leave it out or set it to {built}."
        )


def _file_problems(path: Path, world: int) -> Iterator[str]:
    files = rank_files(path)
    missing = [str(rank) for rank in range(world) if rank not in files]
    if missing:
        there = ", ".join(file.name for file in files.values()) or "no engine file"
        yield (
            f"{path} lacks the engine of rank {', '.join(missing)} of {world}; it holds {there}."
            " Copy the directory again, whole."
        )
    for rank in range(world):
        if rank in files and (problem := _content_problem(files[rank])):
            yield f"{files[rank]} {problem}. Copy it again."


def _content_problem(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_LFS))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not start:
        return "is empty (0 bytes)"
    return "is only a pointer of Git LFS" if start == _LFS else None


def _device_problems(path: Path, devices: Iterable[Device]) -> Iterator[str]:
    built = _built_for(path)
    if built is None:
        return
    others = dict.fromkeys(found for device in devices if (found := label(device)) not in built)
    for other in others:
        yield (
            f"{path} was built on {built}, and this machine has {other}; an engine runs only on the kind of GPU"
            " it was built on. Build it again here."
        )


def label(device: Device) -> str:
    """Name a kind of GPU as manifests and messages do."""
    return f"{device.name} (compute capability {device.capability})"


def _built_for(path: Path) -> str | None:
    """Return the GPU that manifest.json names, where engines that were compiled by us have been copied."""
    if not (path / manifest.NAME).is_file():
        return None
    plan: Mapping[str, object] = manifest.read(path).plan
    device = plan.get("device")
    return device if isinstance(device, str) else None
