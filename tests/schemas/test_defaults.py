from __future__ import annotations

from djl_trtllm.options.table import Options
from djl_trtllm.schemas.defaults import Defaults


def test_defaults_of_default_options() -> None:
    assert Defaults.of(Options()) == Defaults()


def test_defaults_of_options() -> None:
    options = Options(
        default_max_new_tokens=7,
        output_formatter="json",
        unknown_parameters="reject",
        on_long_input="truncate_left",
    )
    assert Defaults.of(options) == Defaults(7, "json", "reject", "truncate_left")
