"""Whether the Python that DJL would start is this handler, without importing it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

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
    module = _module(name, directory)
    if module is None:
        return problem(
            NAME,
            f"{said} cannot be imported: no such module is installed or in the model directory.",
            f"{_SET} The package must be installed for the Python that DJL starts.",
        )
    return _of_file(said, module)


def _module(name: str, directory: Path | None) -> Path | None:
    """Find the file of a module without running any of it."""
    places: list[str] | None = [*([str(directory)] if directory else []), *sys.path]
    spec = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:depth]), places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec is not None and spec.origin else None


def _of_file(said: str, file: Path) -> Finding:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        return problem(
            NAME,
            f"{said} is not Python{f' (line {line})' if line else ''}.",
            f"Repair it, or remove it. {_SET}",
        )
    names = {name for node in tree.body for name in _bound(node)}
    if "handle" not in names and "*" not in names:
        return problem(
            NAME,
            f"{said} has no function handle, which DJL-Serving calls.",
            f"{_SET} Or write there: from {OURS} import handle",
        )
    if not any(OURS in ast.dump(node) or "djl_trtllm" in ast.dump(node) for node in tree.body):
        return note(NAME, f"{said} is another handler, which need not use this one.", _SET)
    return ok(NAME, f"{said} hands over to this handler.")


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
