"""Whether the Python that DJL would start is this handler, without importing it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from djl_trtllm.doctor import python_file
from djl_trtllm.doctor.finding import Finding, note, ok, problem
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.options.nearest import shown

NAME = "entry point"
OURS = "djl_trtllm.handler"
_SET = f"Set option.entryPoint={OURS}."


def examine(subject: Subject) -> Iterator[Finding]:
    """Follow DJL's order: option.entryPoint, OPTION_ENTRYPOINT, DJL_ENTRY_POINT, model.py, DJL's own handler."""
    name = subject.given("entryPoint") or subject.environ.get("DJL_ENTRY_POINT", "").strip()
    model = subject.directory / "model.py" if subject.directory else None
    if name == OURS:
        yield ok(NAME, f"{OURS} is the entry point.")
    elif "://" in name:
        yield note(
            NAME, f"entryPoint={shown(name)} is fetched by DJL-Serving when it starts, and not looked at."
        )
    elif name.startswith("djl_python."):
        yield note(NAME, f"entryPoint={shown(name)} is DJL's own handler, and not this one.", _SET)
    elif name:
        yield _named(name, subject.directory)
    elif model is not None and model.is_file():
        yield _of_file("model.py of the model directory", model)
    else:
        yield note(
            NAME,
            "No entry point is set, so DJL-Serving starts a handler of its own.",
            f"{_SET} `djl-trtllm serve` sets it by itself.",
        )


def _named(name: str, directory: Path | None) -> Finding:
    said = f"entryPoint={shown(name)}"
    if name.endswith(".py"):
        file = Path(name) if Path(name).is_absolute() else (directory or Path()) / name
        if file.is_file():
            return _of_file(said, file)
        return problem(NAME, f"{said} is no file of the model directory.", _SET)
    module = python_file.module(name, directory)
    if module is None:
        return problem(
            NAME,
            f"{said} cannot be imported: no such module is installed or in the model directory.",
            f"{_SET} The package must be installed for the Python that DJL starts.",
        )
    return _of_file(said, module)


def _of_file(said: str, file: Path) -> Finding:
    try:
        names = python_file.names(file)
    except SyntaxError as error:
        return problem(
            NAME, f"{said} is not Python (line {error.lineno}).", f"Repair it, or remove it. {_SET}"
        )
    if "handle" not in names and "*" not in names:
        return problem(
            NAME,
            f"{said} has no function handle, which DJL-Serving calls.",
            f"{_SET} Or write there: from {OURS} import handle",
        )
    if b"djl_trtllm" not in file.read_bytes():
        return note(NAME, f"{said} is another handler, which need not use this one.", _SET)
    return ok(NAME, f"{said} hands over to this handler.")
