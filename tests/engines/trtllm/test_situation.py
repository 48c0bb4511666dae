from __future__ import annotations

import pytest

from djl_trtllm.engines.trtllm.families import FAMILIES
from djl_trtllm.engines.trtllm.situation import Situation
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options import sources

KINDS = {kind.name: kind for kind in FAMILIES}


def situation(
    kind: str | None = "llama", config: dict[str, object] | None = None, **options: str
) -> Situation:
    found = KINDS[kind] if kind else None
    return Situation(sources.read(options, {}), Release(0, 12), found, config or {}, 1, 1)


@pytest.mark.parametrize(
    ("config", "dtype", "built"),
    [
        ({"torch_dtype": "float16"}, "auto", "float16"),
        ({"torch_dtype": "torch.bfloat16"}, "auto", "bfloat16"),
        ({"dtype": "bfloat16"}, "auto", "bfloat16"),
        ({"torch_dtype": "float32"}, "auto", "float16"),
        ({}, "auto", "float16"),
        ({"torch_dtype": "bfloat16"}, "fp16", "float16"),
        ({}, "fp32", "float32"),
    ],
)
def test_the_type_of_the_weights(config: dict[str, object], dtype: str, built: str) -> None:
    assert situation(config=config, dtype=dtype).dtype == built


def test_lengths_fit_a_learned_table() -> None:
    short = situation("gpt2", {"n_positions": 100})
    assert (short.max_seq_len, short.max_input_len) == (100, 99)
    assert situation("gpt2", {"n_positions": 5000}).max_seq_len == 1536
    assert situation("llama", {"n_positions": 100}).max_seq_len == 1536


def test_what_was_set_and_what_was_not() -> None:
    found = situation(use_fused_mlp="false", max_input_len="5")
    assert found.is_set("max_input_len")
    assert not found.is_set("use_fused_mlp")
    assert not found.is_set("max_output_len")
    assert found.said("use_fused_mlp") == "use_fused_mlp=false (from serving.properties)"


def test_a_qwen_is_known_by_its_family_or_its_engine() -> None:
    assert situation("qwen2").qwen
    assert not situation("llama").qwen
    assert not situation(None).qwen
    assert Situation(sources.read({}, {}), Release(0, 12), None, {}, 1, 1, "Qwen2ForCausalLM").qwen
