"""config.json in the spelling that every release reads."""

from typing import Any

import pytest

from djl_trtllm.engines.trtllm.hf_config import patched, spelled_for
from djl_trtllm.engines.trtllm.versions import Release

NEW = Release(0, 14)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"dtype": "bfloat16"}, {"dtype": "bfloat16", "torch_dtype": "bfloat16"}),
        ({"dtype": "float32", "torch_dtype": "float16"}, {"dtype": "float32", "torch_dtype": "float16"}),
        (
            {"rope_parameters": {"rope_theta": 5e5, "rope_type": "default", "partial_rotary_factor": 0.5}},
            {"rope_theta": 5e5, "partial_rotary_factor": 0.5},
        ),
        (
            {"rope_parameters": {"rope_theta": 1e4, "rope_type": "linear", "factor": 2}},
            {"rope_theta": 1e4, "rope_scaling": {"type": "linear", "factor": 2.0}},
        ),
        (
            {"rope_parameters": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1}},
            {"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1}},
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_theta": 1e6}}},
            {"rope_parameters": {"full_attention": {"rope_theta": 1e6}}},
        ),
        ({"rope_scaling": {"type": "dynamic", "factor": 1.0}}, {"rope_scaling": None}),
        ({"rope_scaling": {"rope_type": "default"}}, {"rope_scaling": None}),
        ({"rope_scaling": None}, {"rope_scaling": None}),
        (
            {"rope_scaling": {"rope_type": "dynamic", "factor": 3, "extra": 1}},
            {"rope_scaling": {"type": "dynamic", "factor": 3.0}},
        ),
        ({"rope_scaling": {"type": "yarn", "factor": 4}}, {"rope_scaling": {"type": "yarn", "factor": 4}}),
    ],
)
def test_spellings(config: dict[str, Any], expected: dict[str, Any]) -> None:
    before = dict(config)
    assert spelled_for(config, NEW) == expected
    assert config == before


def test_release_0_8_reads_names_of_its_own() -> None:
    config = {"rope_theta": 1e6, "rope_scaling": {"type": "linear", "factor": 2.0}}
    made = spelled_for(config, Release(0, 8))
    assert made["rotary_base"] == 1e6
    assert made["rotary_scaling"] == {"type": "linear", "factor": 2.0}
    assert spelled_for(config, Release(0, 9)) == config


def test_a_patch_sets_and_removes_and_leaves_other_nulls() -> None:
    made = patched({"a": 1, "b": 2, "c": None}, {"a": 5, "b": None, "d": 7})
    assert made == {"a": 5, "c": None, "d": 7}
