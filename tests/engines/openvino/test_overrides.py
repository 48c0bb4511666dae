import logging
from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.openvino import overrides
from djl_trtllm.errors import OptionsError
from djl_trtllm.model.families import FAMILIES
from djl_trtllm.options.table import Options


def checkpoint(model_type: str, **config: object) -> Checkpoint:
    return Checkpoint(Path(), model_type, {"model_type": model_type, **config}, "my model")


def patched(model_type: str, config: dict[str, object], **options: object) -> dict[str, object] | None:
    found = checkpoint(model_type, **config)
    return overrides.patched(found, FAMILIES[model_type], Options(**options))  # type: ignore[arg-type]


def test_nothing_is_patched_without_options() -> None:
    assert patched("llama", {"rope_theta": 1e4}) is None
    assert patched("llama", {"rope_theta": 1e4}, rotary_base=1e4) is None
    assert patched("gpt2", {}, rotary_base=5.0) is None


@pytest.mark.parametrize(
    ("model_type", "config", "expected"),
    [
        ("llama", {"rope_theta": 1e4}, {"rope_theta": 5e5}),
        ("gpt_neox", {"rotary_emb_base": 1e4}, {"rotary_emb_base": 5e5}),
        (
            "llama",
            {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
            {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
        ),
    ],
)
def test_the_base_is_set_where_the_checkpoint_keeps_it(
    model_type: str, config: dict[str, object], expected: dict[str, object]
) -> None:
    assert patched(model_type, config, rotary_base=5e5) == {"model_type": model_type, **expected}


def test_scaling_keeps_the_base() -> None:
    options = {"rotary_scaling_type": "linear", "rotary_scaling_factor": 2.0}
    scaling = {"rope_type": "linear", "factor": 2.0}
    assert patched("llama", {"rope_theta": 7.0}, **options) == {
        "model_type": "llama",
        "rope_theta": 7.0,
        "rope_scaling": scaling,
    }
    nested = {"rope_parameters": {"rope_type": "default", "rope_theta": 7.0, "partial_rotary_factor": 0.5}}
    assert patched("llama", nested, **options) == {
        "model_type": "llama",
        "rope_parameters": {"rope_theta": 7.0, "partial_rotary_factor": 0.5, **scaling},
    }


def test_rotary_dim_is_for_gptj() -> None:
    assert patched("gptj", {"rotary_dim": 64}, rotary_dim=32) == {"model_type": "gptj", "rotary_dim": 32}


def test_what_means_nothing_for_a_family_is_said_and_left_out_of_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    values = {"rotary_base": 5.0, "rotary_dim": 32, "dtype": "fp32"}
    with caplog.at_level(logging.WARNING):
        assert overrides.effective(FAMILIES["gpt2"], values) == {"dtype": "fp32"}
    assert "option.rotary_base has no effect: GPT-2 models" in caplog.text
    assert overrides.effective(FAMILIES["llama"], values) == {"rotary_base": 5.0, "dtype": "fp32"}
    assert overrides.effective(FAMILIES["gptj"], values) == {"rotary_dim": 32, "dtype": "fp32"}


@pytest.mark.parametrize(
    ("model_type", "options"),
    [
        ("gpt2", {"gpt_model_version": "gpt2"}),
        ("gpt_bigcode", {"gpt_model_version": "starcoder"}),
        ("gpt_bigcode", {"gpt_model_version": "santacoder"}),
        ("llama", {}),
    ],
)
def test_versions_that_fit_pass(model_type: str, options: dict[str, str]) -> None:
    overrides.check(checkpoint(model_type), FAMILIES[model_type], Options(**options))


@pytest.mark.parametrize(
    ("model_type", "options"),
    [
        ("gpt2", {"gpt_model_version": "starcoder"}),
        ("llama", {"gpt_model_version": "gpt2"}),
        ("llama", {"baichuan_model_version": "v2_7b"}),
        ("glm4", {"chatglm_model_version": "chatglm3_6b"}),
    ],
)
def test_versions_that_contradict_the_checkpoint_are_errors(model_type: str, options: dict[str, str]) -> None:
    with pytest.raises(OptionsError, match=rf"option\.{next(iter(options))}=.* contradicts my model"):
        overrides.check(checkpoint(model_type), FAMILIES[model_type], Options(**options))


def test_dynamic_scaling_is_said_to_do_nothing(caplog: pytest.LogCaptureFixture) -> None:
    options = {"rotary_scaling_type": "dynamic", "rotary_scaling_factor": 2.0}
    with caplog.at_level(logging.WARNING):
        assert overrides.effective(FAMILIES["llama"], {**options, "dtype": "fp32"}) == {"dtype": "fp32"}
    assert "rotary_scaling_type=dynamic has no effect" in caplog.text
    assert patched("llama", {"rope_theta": 7.0}, **options) is None


def test_linear_scaling_stretches_the_positions() -> None:
    linear = Options(rotary_scaling_type="linear", rotary_scaling_factor=2.5)
    dynamic = Options(rotary_scaling_type="dynamic", rotary_scaling_factor=2.5)
    assert overrides.position_factor(FAMILIES["llama"], linear) == 2.5
    assert overrides.position_factor(FAMILIES["llama"], dynamic) == 1.0
    assert overrides.position_factor(FAMILIES["gpt2"], linear) == 1.0
    assert overrides.position_factor(FAMILIES["llama"], Options()) == 1.0
