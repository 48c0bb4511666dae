from __future__ import annotations

import pytest

from djl_trtllm.errors import OptionsError
from djl_trtllm.options.sources import read


def problems(**values: str) -> list[str]:
    with pytest.raises(OptionsError) as caught:
        read(values, {})
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smoothquant_alpha", "0.5"),
        ("smoothquant_per_token", "true"),
        ("smoothquant_per_channel", "true"),
    ],
)
def test_smoothquant_flags_need_smoothquant(name: str, value: str) -> None:
    said = (
        f"{name}={value} (from serving.properties) needs quantize=smoothquant. Set it, or remove the option."
    )
    assert problems(**{name: value}) == [said]
    assert problems(**{name: value}, quantize="awq") == [said]
    assert read({name: value, "quantize": "smoothquant"}, {}).quantize == "smoothquant"


def test_flags_that_change_nothing_need_nothing() -> None:
    options = read({"smoothquant_alpha": "0.8", "smoothquant_per_token": "false"}, {})
    assert options.quantize is None


def test_a_misspelled_quantize_is_the_only_mistake() -> None:
    (only,) = problems(quantize="smothquant", smoothquant_per_token="true")
    assert only.startswith("quantize=smothquant (from serving.properties) must be one of smoothquant,")


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"rotary_scaling_type": "linear"}, "rotary_scaling_factor"),
        ({"rotary_scaling_factor": "2.0"}, "rotary_scaling_type"),
    ],
)
def test_rotary_scaling_needs_both(values: dict[str, str], missing: str) -> None:
    (only,) = problems(**values)
    assert only.endswith(f"needs {missing} as well.")


def test_async_mode_is_not_for_this_handler() -> None:
    (only,) = problems(async_mode="true")
    assert "set option.rolling_batch=trtllm and option.async_mode=false" in only
