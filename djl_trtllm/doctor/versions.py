"""Whether the libraries are there, in versions that were tried. The ranges are those of this package's metadata."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from djl_trtllm import __version__, installed
from djl_trtllm.doctor.finding import Finding, note, ok, problem
from djl_trtllm.doctor.subject import Subject

NAME = "versions"
_PACKAGE = "djl-trtllm"
_PURPOSES = {"": "the handler needs", "metrics": "metrics_port needs", "tracing": "tracing needs"}
_ALSO = (
    "tensorrt_llm",
    "tensorrt",
    "torch",
    "transformers",
    "openvino-genai",
    "tokenizers",
    "optimum-intel",
    "nncf",
)


def examine(subject: Subject) -> Iterator[Finding]:
    """Compare what is installed with what the runtime needs."""
    found = {name: version for name in _ALSO if (version := installed.version(name))}
    told = ", ".join(f"{name} {version}" for name, version in found.items())
    yield ok(NAME, f"djl_trtllm {__version__} with {told or 'none of the libraries it can use'}.")
    if subject.release is not None:
        yield note(
            NAME,
            f"TensorRT-LLM {subject.release} was asked for, so what is installed here decides nothing about it.",
            "Run the check in the container that will serve.",
        )
    try:
        needs = metadata.requires(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        yield note(
            NAME,
            f"{_PACKAGE} is not installed as a package, so its requirements are unknown.",
            "Install it with pip.",
        )
        return
    yield from _compared(subject, needs)
    if subject.ranks > 1 and subject.release is None and not installed.version("mpi4py"):
        yield problem(
            NAME, f"{subject.ranks} ranks need mpi4py, which is not installed.", "pip install mpi4py"
        )


def _compared(subject: Subject, needs: list[str]) -> Iterator[Finding]:
    from packaging.requirements import Requirement

    extras = [""]
    if subject.release is None and subject.runtime_name == "openvino":
        # Compiling is not always needed: a cache or a compiled model may hold all.
        extras += ["openvino"] + (["compile"] if subject.compiled is None else [])
    if subject.options.metrics_port is not None:
        extras.append("metrics")
    if subject.options.tracing != "off":
        extras.append("tracing")
    for extra in extras:
        for requirement in map(Requirement, needs):
            marked = requirement.marker is not None and "extra" in str(requirement.marker)
            if marked != bool(extra) or (
                requirement.marker and not requirement.marker.evaluate({"extra": extra})
            ):
                continue
            yield from _one(requirement.name, str(requirement.specifier), extra)


def _one(name: str, wanted: str, extra: str) -> Iterator[Finding]:
    from packaging.specifiers import SpecifierSet

    version = installed.version(name)
    whole = f"{_PACKAGE}[{extra}]" if extra else _PACKAGE
    install = f"pip install '{whole}'"
    if version is None and extra == "compile":
        yield note(NAME, f"{name} is not installed, so nothing can be compiled here.", install)
    elif version is None:
        purpose = _PURPOSES.get(extra, f"the runtime {extra} needs")
        yield problem(
            NAME, f"{name} is not installed, and {purpose} it ({wanted or 'any version'}).", install
        )
    elif not SpecifierSet(wanted).contains(version, prereleases=True):
        yield note(NAME, f"{name} {version} is here, and {wanted} was tried.", install)
