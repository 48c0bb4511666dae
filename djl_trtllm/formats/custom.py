"""Output formatters of model authors: where they are found, and how they are called.

`<module>:<function>` is imported, `<file>.py:<function>` is a file of the model directory, and a function's name alone
is one of its `model.py`, where DJL-Serving (0.29 to 0.36) looks for the function that `@output_formatter` decorates.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from djl_trtllm.errors import OptionsError
from djl_trtllm.formats.legacy_formatter import adapted, is_legacy
from djl_trtllm.options.secrets import clean

MODEL_FILE = "model.py"


@dataclass(frozen=True, slots=True)
class CustomFormatter:
    """A function from DJL's `TextGenerationOutput` to the text that is to be sent now, "" for none.

    Responses are of `content_type`: the function's attribute of that name, application/json where it has none.
    """

    function: Callable[[Any], object]
    content_type: str
    name: str


def spec_of(value: object) -> str:
    """Return the option's text for its value in DJL's properties.

    DJL 0.29 and later put the function itself there where `model.py` has a decorated one.
    """
    if callable(value):
        return f"{MODEL_FILE}:{getattr(value, '__name__', '')}"
    return str(value)


def load(spec: str, model_dir: Path) -> CustomFormatter:
    """Return the formatter that an option names. Raises `OptionsError` where there is none that can be called."""
    place, separator, name = spec.rpartition(":")
    if not separator:
        place = MODEL_FILE
    if not place or not name.isidentifier():
        raise _wrong(spec, "is not of the form <module>:<function> or <file>.py:<function>")
    module = _file(spec, model_dir / place) if place.endswith(".py") else _module(spec, place)
    function = getattr(module, name, None)
    if function is None:
        found = [key for key, value in vars(module).items() if getattr(value, "is_output_formatter", False)]
        hint = f"; decorated with @output_formatter is {', '.join(found)}" if found else ""
        raise _wrong(spec, f"has no function {name}{hint}")
    if not callable(function):
        raise _wrong(spec, f"names {name}, which is a {type(function).__name__} and no function")
    content_type = getattr(function, "content_type", "application/json")
    if not isinstance(content_type, str):
        raise _wrong(spec, "has a content_type that is no text")
    return CustomFormatter(_callable(spec, function), content_type, spec)


def _callable(spec: str, function: Callable[..., object]) -> Callable[[Any], object]:
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise _wrong(spec, "is a coroutine or a generator; it must return the text")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return function
    if is_legacy(signature):
        return adapted(function)
    try:
        signature.bind(None)
    except TypeError as error:
        raise _wrong(spec, "cannot be called with one argument, the output so far") from error
    return function


def _module(spec: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever a module of the model's author raises
        raise _wrong(spec, f"cannot be imported: {_described(error)}") from error


def _file(spec: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise _wrong(spec, f"names {path.name}, which is not in the model directory")
    name = f"djl_trtllm_formatter_{path.stem}"
    made = importlib.util.spec_from_file_location(name, path)
    if made is None or made.loader is None:
        raise _wrong(spec, "is no Python file")
    module = importlib.util.module_from_spec(made)
    # Dataclasses and pickles of the module look it up by its name.
    sys.modules[name] = module
    try:
        made.loader.exec_module(module)
    except Exception as error:  # whatever a file of the model's author raises
        del sys.modules[name]
        raise _wrong(spec, f"cannot be loaded: {_described(error)}") from error
    return module


def _described(error: Exception) -> str:
    return clean(f"{type(error).__name__}: {' '.join(str(error).split())}")[:200]


def _wrong(spec: str, problem: str) -> OptionsError:
    return OptionsError(f"output_formatter={spec[:100]} {problem}.")
