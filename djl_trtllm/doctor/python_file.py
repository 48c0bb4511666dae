"""Python of the model's author, looked at without running any of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path


def module(name: str, directory: Path | None) -> Path | None:
    """Return the file of a module that can be imported from the model directory or from what is installed."""
    places: list[str] | None = [*([str(directory)] if directory else []), *sys.path]
    spec = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:depth]), places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec is not None and spec.origin else None


def names(file: Path) -> set[str]:
    """Return the names that a file binds at its top; `*` is among them where it imports all of something.

    Raises SyntaxError with the line.
    """
    try:
        tree = ast.parse(file.read_bytes())
    except ValueError as error:  # a null byte
        raise SyntaxError(str(error), (str(file), 1, 0, "")) from error
    return {name for node in tree.body for name in _bound(node)}


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, (ast.If, ast.Try)):
        yield from (name for inner in node.body for name in _bound(inner))
