"""Upstream's own TensorRT-LLM handler, unmodified, over a toolkit that costs nothing.

`djl_python/tensorrt_llm.py` imports the closed `tensorrt_llm_toolkit`. Its stand-in has every answer ready
before a step, so what is measured is upstream's Python and nothing else; detokenising, which the real toolkit
does, is not even part of it. Modules that only other requests need are stubbed when they are not installed.
"""

from __future__ import annotations

import enum
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from types import ModuleType
from typing import Any

from bench import workload

PROPERTIES = {
    "model_id": "bench",
    "rolling_batch": "trtllm",
    "mpi_mode": "true",
    "tensor_parallel_degree": "1",
    "max_rolling_batch_size": "999",
    "output_formatter": "jsonlines",
}


@dataclass(slots=True)
class Generation:
    """What 0.34's rolling batch reads of a fetched token."""

    token_id: int
    token_text: str
    cum_logprob: float
    finished: bool
    seq_length: int


class Response:
    """An answer under way. `fetch` is a C call that hands out the next prepared token."""

    __slots__ = ("fetch",)

    def __init__(self, prepared: list[Any]) -> None:
        self.fetch: Callable[[], Any] = iter(prepared).__next__


class Toolkit:
    """The model object of the stand-in toolkit."""

    def __init__(self) -> None:
        self.tokenizer = None
        self.responses: Iterator[list[Any]] = iter(())

    def prepare(self, version: str, tokens: int) -> None:
        """Lay out answers of `tokens` tokens; 0.25 fetches (text, finished) pairs, later versions objects."""
        answers = [
            [
                (text, at == tokens)
                if version.startswith("0.25.")
                else Generation(token, text, total, at == tokens, at)
                for at, (token, text, total) in enumerate(
                    zip(answer.ids, answer.texts, workload.cumulative(answer.logprobs), strict=True), 1
                )
            ]
            for answer in workload.sequences(tokens)
        ]
        self.responses = cycle(answers)

    def generate(self, _text: str, **_parameters: object) -> Response:
        return Response(next(self.responses))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Upstream's `handle`, ready for steps. Its toolkit needs no feeding: it is asked for every token."""

    handle: Callable[[Any], Any]

    def feed(self) -> None:
        """Do nothing."""


def load(version: str, tokens: int) -> Loaded:
    """Import upstream's handler with the stand-ins in place and load it."""
    toolkit = Toolkit()
    toolkit.prepare(version, tokens)
    stand_in = ModuleType("tensorrt_llm_toolkit")
    stand_in.init_inference = lambda _model, **_options: toolkit  # type: ignore[attr-defined]
    sys.modules["tensorrt_llm_toolkit"] = stand_in
    _stub_missing()
    from djl_python import Input
    from djl_python.tensorrt_llm import handle

    inputs = Input()
    inputs.read(workload.Wire(workload.Frames(version).load(PROPERTIES)))
    handle(inputs)
    return Loaded(handle)


def _stub_missing() -> None:
    if importlib.util.find_spec("pydantic") is None:
        sys.modules["pydantic"] = _pydantic()
    if importlib.util.find_spec("PIL") is None:
        package, image = ModuleType("PIL"), ModuleType("PIL.Image")
        image.Image = object  # type: ignore[attr-defined]
        package.Image = image  # type: ignore[attr-defined]
        sys.modules.update({"PIL": package, "PIL.Image": image})
    if importlib.util.find_spec("requests") is None:
        sys.modules["requests"] = ModuleType("requests")


def _pydantic() -> ModuleType:
    """Return what upstream's option classes need of pydantic; no step touches more than their attributes."""

    class BaseModel:
        def __init__(self, **values: Any) -> None:
            self.model_id_or_path = values.get("model_id") or values.get("model_dir")
            for name, value in values.items():
                default = getattr(type(self), name, None)
                if isinstance(default, enum.Enum):
                    value = type(default)(value)
                elif isinstance(default, bool):
                    value = value == "true"
                elif isinstance(default, int):
                    value = int(value)
                setattr(self, name, value)

    def decorator(*_args: object, **_options: object) -> Callable[[Any], Any]:
        return lambda function: function

    module = ModuleType("pydantic")
    for name in ("field_validator", "model_validator", "validator", "root_validator"):
        setattr(module, name, decorator)
    module.BaseModel = BaseModel  # type: ignore[attr-defined]
    module.ConfigDict = dict  # type: ignore[attr-defined]
    module.Field = lambda default=None, **_options: default  # type: ignore[attr-defined]
    module.ValidationInfo = object  # type: ignore[attr-defined]
    return module
