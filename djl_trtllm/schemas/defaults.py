"""What the operator decided about requests, gathered once at load."""

from __future__ import annotations

from dataclasses import dataclass

from djl_trtllm.options.table import Options


@dataclass(frozen=True, slots=True)
class Defaults:
    """The options that a schema needs, named as they are set.

    `openai_max_new_tokens` is None, for what the context leaves, unless the operator has set default_max_new_tokens.
    `model` is what a response of OpenAI's API calls the model when its request does not.
    """

    default_max_new_tokens: int = 30
    output_formatter: str | None = None
    unknown_parameters: str = "warn"
    on_long_input: str = "reject"
    openai_max_new_tokens: int | None = None
    tgi_compat: bool = False
    guided_decoding: str = "auto"
    model: str = "model"

    @classmethod
    def of(cls, options: Options) -> Defaults:
        """Take them from the options of a model."""
        own_length = options.source_of("default_max_new_tokens") != "default"
        return cls(
            default_max_new_tokens=options.default_max_new_tokens,
            output_formatter=options.output_formatter,
            unknown_parameters=options.unknown_parameters,
            on_long_input=options.on_long_input,
            openai_max_new_tokens=options.default_max_new_tokens if own_length else None,
            tgi_compat=options.tgi_compat,
            guided_decoding=options.guided_decoding,
            model=_name(options.model_id) or "model",
        )


def _name(model_id: str | None) -> str:
    """The last part of a hub id, a directory or an address, without what is private to this machine."""
    return (model_id or "").rstrip("/\\").replace("\\", "/").rpartition("/")[2]
