"""What the operator decided about requests, gathered once at load."""

from __future__ import annotations

from dataclasses import dataclass

from djl_trtllm.options.table import Options


@dataclass(frozen=True, slots=True)
class Defaults:
    """The options that a schema needs, named as they are set."""

    default_max_new_tokens: int = 30
    output_formatter: str | None = None
    unknown_parameters: str = "warn"
    on_long_input: str = "reject"

    @classmethod
    def of(cls, options: Options) -> Defaults:
        """Take them from the options of a model."""
        return cls(
            default_max_new_tokens=options.default_max_new_tokens,
            output_formatter=options.output_formatter,
            unknown_parameters=options.unknown_parameters,
            on_long_input=options.on_long_input,
        )
