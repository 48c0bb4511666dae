"""`PretrainedConfig` as an object: named fields, and whatever else was set on it."""

from __future__ import annotations

from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.library import Library
from tests.contract.tensorrt_llm_stand_in.recorder import plain
from tests.contract.tensorrt_llm_stand_in.shell import blank

SYMBOL = "tensorrt_llm.models.modeling_utils.PretrainedConfig"


@behaviour(SYMBOL)
class PretrainedConfig:
    """Takes any other keyword, keeps it, and writes it into config.json: nobody hears of a wrong name."""

    def __init__(self, context: Context, **values: Any) -> None:
        self._shell = context.shell
        self._others = {name: value for name, value in values.items() if name not in self._shell._values}

    def get_other(self, name: str) -> Any:
        if name not in self._others:
            raise AttributeError(f"'PretrainedConfig' object has no attribute {name!r}")
        return self._others[name]

    def set_other(self, name: str, value: Any) -> None:
        self._others[name] = value

    def to_dict(self) -> dict[str, Any]:
        return {**{name: plain(value) for name, value in self._shell._values.items()}, **plain(self._others)}

    def plain(self) -> dict[str, Any]:
        return dict(self._others)

    def set_rank(self, *, rank: int) -> None:
        self._shell._values["mapping"]["rank"] = rank

    @classmethod
    def from_dict(cls, context: Context, *, config: dict[str, Any]) -> Any:
        return made(context.library, config)


def made(library: Library, values: dict[str, Any]) -> Any:
    """Return a config with these values, the nested ones as dicts."""
    shell = blank(library.symbol(SYMBOL), dict(values))
    object.__setattr__(
        shell, "_behaviour", PretrainedConfig(Context(library, SYMBOL, type(shell), shell), **values)
    )
    return shell
