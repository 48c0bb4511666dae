"""An output formatter of the model's author: there, as far as can be told without running it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from djl_trtllm.doctor import python_file
from djl_trtllm.doctor.finding import Finding, ok, problem
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.formats import custom

NAME = "formatter"


def examine(subject: Subject) -> Iterator[Finding]:
    """Find its file and its name. Raises `OptionsError` where there is no such file."""
    spec = subject.options.output_formatter
    if spec is None or ":" not in spec:
        return
    place, _, name = spec.rpartition(":")
    directory = subject.directory or Path()
    file = directory / place if place.endswith(".py") else python_file.module(place, directory)
    said = f"output_formatter={spec}"
    if file is None:
        yield problem(
            NAME, f"{said} cannot be imported: no such module is installed or in the model directory."
        )
        return
    if not file.is_file():
        custom.load(spec, directory)  # says so before it runs anything
    try:
        names = python_file.names(file)
    except SyntaxError as error:
        yield problem(NAME, f"{said} cannot be loaded: {file.name} is not Python (line {error.lineno}).")
        return
    if name in names or "*" in names:
        yield ok(NAME, f"{said} is there; it is loaded with the model, and was not run here.")
    else:
        yield problem(
            NAME, f"{said} has no function {name}.", f"Define it in {file.name}, or correct the name."
        )
