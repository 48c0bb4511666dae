"""`PluginConfig`: what its methods do. Its fields, and what they take, are data of the row."""

from __future__ import annotations

from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.recorder import plain

SYMBOL = "tensorrt_llm.plugin.PluginConfig"


@behaviour(SYMBOL)
class PluginConfig:
    """Fields are kept by the object."""

    def __init__(self, context: Context, **_fields: Any) -> None:
        self._shell = context.shell

    def enable_paged_kv_cache(self, *, tokens_per_block: int) -> Any:
        self._shell.paged_kv_cache = True
        self._shell.tokens_per_block = tokens_per_block
        return self._shell

    def __getattr__(self, name: str) -> Any:
        """The setters of single fields, `set_gemm_plugin(dtype=...)` and the like; the others are not played."""
        field = name.removeprefix("set_")
        if field != name and field in type(self._shell)._spec.attributes:

            def set_field(**arguments: Any) -> Any:
                (value,) = arguments.values() or (True,)
                setattr(self._shell, field, value)
                return self._shell

            return set_field
        if name in type(self._shell)._spec.methods:
            raise NotImplementedError(f"PluginConfig.{name} is not played: set the attribute")
        raise AttributeError(name)

    def set_paged_context_fmha(self, **_none: Any) -> Any:
        self._shell.use_paged_context_fmha = True
        return self._shell

    def update_from_dict(self, *, config: dict[str, Any]) -> None:
        for name, value in config.items():
            if name in type(self._shell)._spec.attributes:
                setattr(self._shell, name, value)

    def to_dict(self) -> dict[str, Any]:
        return fields_of(self._shell)

    def to_legacy_setting(self) -> dict[str, Any]:
        return fields_of(self._shell)

    @classmethod
    def from_dict(cls, context: Context, *, config: dict[str, Any]) -> Any:
        """Names the version does not have are dropped, and nobody hears of it."""
        made = context.cls()
        for name, value in config.items():
            if name in context.cls._spec.attributes:
                setattr(made, name, value)
        return made


def fields_of(config: Any) -> dict[str, Any]:
    """Return what config.json holds of it."""
    return {name: plain(value) for name, value in config._values.items()}


def is_plugin_config(value: Any) -> bool:
    """Say whether it is one, and not the dict somebody gave in its place."""
    return getattr(getattr(type(value), "_spec", None), "symbol", None) == SYMBOL
