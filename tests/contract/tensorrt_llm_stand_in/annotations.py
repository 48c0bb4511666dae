"""Whether a value fits an annotation of the contract, as strictly as the bindings take it."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

Find = Callable[[str], Any]
"""Finds the class or enum of the row that an annotation names, None where the row has none of that name."""

ANYTHING = {"Any", "object", "handle", "...", "PromptInputs", "type"}
SEQUENCES = {"list", "List", "Sequence", "Iterable", "Set", "tuple", "Tuple"}
FOREIGN = {"Tensor": "Tensor", "np.ndarray": "ndarray", "numpy": "ndarray"}
SIMPLE: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bytes": (bytes, bytearray, memoryview),
    "dict": (dict,),
    "Dict": (dict,),
    "list": (list, tuple),
    "List": (list, tuple),
    "tuple": (list, tuple),
    "Path": (os.PathLike,),
    "path": (str, os.PathLike),
    "PathLike": (os.PathLike,),
    "OptVec": (list, tuple, type(None)),
    "StringVec": (list, tuple),
}


def fits(value: Any, annotation: str | None, find: Find) -> bool:
    """Say whether a value may be given where the contract has this annotation; unknown names take anything."""
    if annotation is None:
        return True
    if annotation.endswith("?"):
        return value is None or fits(value, annotation[:-1], find)
    tree = _parsed(annotation)
    return tree is None or _fits(value, tree, find)


@functools.cache
def _parsed(annotation: str) -> ast.expr | None:
    text = annotation.strip("'").replace("bytes-like", "bytes").replace("[...]", "[Any]")
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _fits(value: Any, tree: ast.expr, find: Find) -> bool:
    if isinstance(tree, ast.Constant):
        return value is None if tree.value is None else _quoted(value, tree.value, find)
    if isinstance(tree, ast.BinOp | ast.BoolOp):
        parts = tree.values if isinstance(tree, ast.BoolOp) else [tree.left, tree.right]
        return any(_fits(value, part, find) for part in parts)
    if isinstance(tree, ast.Subscript):
        return _generic(value, tree, find)
    if isinstance(tree, ast.Name | ast.Attribute):
        return _named(value, ast.unparse(tree), find)
    return True


def _quoted(value: Any, text: object, find: Find) -> bool:
    return not isinstance(text, str) or fits(value, text, find)


def _generic(value: Any, tree: ast.Subscript, find: Find) -> bool:
    name = ast.unparse(tree.value).rsplit(".", 1)[-1]
    parts = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
    if name == "Literal":
        return any(type(value) is type(part.value) and value == part.value for part in _constants(parts))
    if name in ("Optional", "Union"):
        return (name == "Optional" and value is None) or any(_fits(value, part, find) for part in parts)
    if name in ("Dict", "dict", "Mapping"):
        return isinstance(value, dict) and all(
            _fits(key, parts[0], find) and _fits(item, parts[1], find) for key, item in value.items()
        )
    if name in SEQUENCES:
        if not isinstance(value, list | tuple | set):
            return False
        return len(parts) > 1 or _all(value, parts[0], find)
    return True


def _all(values: Iterable[Any], part: ast.expr, find: Find) -> bool:
    if isinstance(part, ast.Name) and part.id == "int":
        return all(type(value) is int for value in values)
    return all(_fits(value, part, find) for value in values)


def _constants(parts: list[ast.expr]) -> list[ast.Constant]:
    return [part for part in parts if isinstance(part, ast.Constant)]


def _named(value: Any, dotted: str, find: Find) -> bool:
    name = dotted.rsplit(".", 1)[-1]
    if name in ANYTHING:
        return True
    if name in ("int", "NonNegativeInt", "RequestIdType"):
        return type(value) is int and (name == "int" or value >= 0)
    if name == "float":
        return type(value) in (int, float)
    if name == "bool":
        return type(value) is bool
    if name in ("Callable", "callable") or name.endswith("Callback"):
        return callable(value)
    if name == "timedelta":
        return type(value).__name__ == "timedelta"
    if dotted in FOREIGN or name in FOREIGN:
        return type(value).__name__ in ("Parameter", FOREIGN.get(dotted) or FOREIGN[name])
    known = find(name)
    if known is not None:
        return isinstance(value, known)
    if name in SIMPLE:
        return isinstance(value, SIMPLE[name]) and not isinstance(value, Enum)
    return True
