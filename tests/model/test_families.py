from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint
from djl_trtllm.errors import UnsupportedModel
from djl_trtllm.model.families import FAMILIES, family, max_positions
from tests.support import tiny


def checkpoint(model_type: str, **config: object) -> Checkpoint:
    return Checkpoint(Path(), model_type, {"model_type": model_type, **config}, "my model")


def test_the_families_that_tests_compare_are_those_that_are_served() -> None:
    assert set(tiny.FAMILIES) == set(FAMILIES)
    assert all(family(checkpoint(name)).model_type == name for name in FAMILIES)


def test_an_unsupported_architecture_is_named_with_what_there_is() -> None:
    with pytest.raises(UnsupportedModel) as caught:
        family(checkpoint("mamba2", architectures=["Mamba2ForCausalLM"]))
    text = str(caught.value)
    assert "my model is a model of type 'mamba2' (Mamba2ForCausalLM)" in text
    assert all(name in text for name in FAMILIES)


def test_the_nearest_is_named() -> None:
    with pytest.raises(UnsupportedModel, match="The nearest is qwen2,"):
        family(checkpoint("qwen2_moe"))


@pytest.mark.parametrize(
    ("config", "positions"),
    [({"max_position_embeddings": 5}, 5), ({"n_positions": 7}, 7), ({}, None), ({"n_positions": "x"}, None)],
)
def test_positions_are_found_under_their_names(config: dict[str, object], positions: int | None) -> None:
    assert max_positions(config) == positions
