from __future__ import annotations

import pytest

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


def test_a_length_that_the_operator_has_set_holds_for_every_schema() -> None:
    assert Defaults.of(Options(default_max_new_tokens=30)).openai_max_new_tokens is None
    told = Options(default_max_new_tokens=30, sources={"default_max_new_tokens": "serving.properties"})
    assert Defaults.of(told).openai_max_new_tokens == 30


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        (None, "model"),
        ("org/tiny-chat", "tiny-chat"),
        ("/opt/models/tiny/", "tiny"),
        ("s3://bucket/a/b", "b"),
        ("/", "model"),
    ],
)
def test_what_the_model_is_called(model_id: str | None, name: str) -> None:
    assert Defaults.of(Options(model_id=model_id)).model == name
