"""`BuildConfig`: what its methods do, and what becomes of the limits when an engine is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.plugin_config import SYMBOL as PLUGIN_CONFIG
from tests.contract.tensorrt_llm_stand_in.behaviours.plugin_config import fields_of as plugin_fields
from tests.contract.tensorrt_llm_stand_in.behaviours.plugin_config import is_plugin_config
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.recorder import plain


@behaviour("tensorrt_llm.builder.BuildConfig")
class BuildConfig:
    """Fields are kept by the object. Where it is a dataclass a dict given for `plugin_config` stays a dict."""

    def __init__(self, context: Context, **_fields: Any) -> None:
        self._shell = context.shell
        given = self._shell._values["plugin_config"]
        if context.cls._spec.kind == "pydantic" and isinstance(given, dict):
            self._shell._values["plugin_config"] = context.library.symbol(PLUGIN_CONFIG)(**given)

    def to_dict(self) -> dict[str, Any]:
        return fields_of(self._shell)

    def update(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self._shell, name, value)

    def update_from_dict(self, *, config: dict[str, Any]) -> None:
        self.update(**config)

    @classmethod
    def from_dict(cls, context: Context, *, config: dict[str, Any], plugin_config: Any = None) -> Any:
        """Names the version does not have are dropped; nested values are made of their dicts."""
        known = {
            k: v for k, v in config.items() if k in context.cls._spec.attributes and not isinstance(v, dict)
        }
        if plugin_config is None and "plugin_config" in config:
            plugin_config = context.library.symbol(PLUGIN_CONFIG).from_dict(config=config["plugin_config"])
        return context.cls(**known, **({} if plugin_config is None else {"plugin_config": plugin_config}))

    @classmethod
    def from_json_file(cls, context: Context, *, config_file: str, plugin_config: Any = None) -> Any:
        config = json.loads(Path(config_file).read_bytes())
        return cls.from_dict(context, config=config, plugin_config=plugin_config)


def fields_of(config: Any) -> dict[str, Any]:
    """Return what config.json holds of it."""
    values = {name: plain(value) for name, value in config._values.items() if name != "plugin_config"}
    return {**values, "plugin_config": plugin_fields(config.plugin_config)}


def settled(config: Any, positions: int) -> dict[str, Any]:
    """Return the fields as the build settles them.

    `max_input_len` is cut to `max_seq_len` without a word, a missing `max_seq_len` is what the model has positions
    for, and a missing `max_num_tokens` is the whole batch at full length. AttributeError: a dict for plugins.
    """
    if not is_plugin_config(config.plugin_config):
        raise AttributeError(f"'{type(config.plugin_config).__name__}' object has no attribute 'dtype'")
    fields = fields_of(config)
    longest = (
        fields["max_seq_len"]
        if "max_seq_len" in fields
        else fields["max_input_len"] + fields["max_output_len"]
    )
    longest = longest or positions
    if "max_seq_len" in fields:
        fields["max_seq_len"] = longest
    fields["max_input_len"] = min(fields["max_input_len"], longest)
    if fields["max_num_tokens"] is None:
        fields["max_num_tokens"] = fields["max_batch_size"] * longest
    return fields
