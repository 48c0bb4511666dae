from __future__ import annotations

import pytest

from tests.engines.trtllm.option_kit import refusal, resolved

CHATGLM3 = {
    "model_type": "chatglm",
    "architectures": ["ChatGLMModel"],
    "padded_vocab_size": 65024,
    "_name_or_path": "THUDM/chatglm3-6b",
}


def test_scaling_is_written_as_transformers_4_42_takes_it() -> None:
    found = resolved(rotary_scaling_type="dynamic", rotary_scaling_factor="4")
    scaling = found.at("config.json")["rope_scaling"]
    assert scaling == {"type": "dynamic", "factor": 4.0}
    assert isinstance(scaling["factor"], float)  # type: ignore[index]


def test_the_base_goes_where_each_class_reads_it() -> None:
    assert resolved(rotary_base="5e5").at("config.json") == {"rope_theta": 500000.0}
    qwen = {"model_type": "qwen", "architectures": ["QWenLMHeadModel"]}
    assert resolved(qwen, rotary_base="5e5").at("config.json") == {"rotary_emb_base": 500000.0}
    assert resolved(CHATGLM3, rotary_base="5e5").at("config.json") == {"rope_ratio": 50.0}
    chatglm2 = CHATGLM3 | {"_name_or_path": "THUDM/chatglm2-6b"}
    assert "has no effect on org/model" in refusal(chatglm2, rotary_base="5e5")


def test_rotary_dim_is_for_gptj() -> None:
    gptj = {"model_type": "gptj", "architectures": ["GPTJForCausalLM"]}
    assert resolved(gptj, rotary_dim=32).at("config.json") == {"rotary_dim": 32}
    assert refusal(rotary_dim=32) == (
        "rotary_dim=32 (from serving.properties) has no effect on org/model: TensorRT-LLM takes it for GPT-J, and this"
        " is a LLaMA model. Remove the option."
    )


@pytest.mark.parametrize("name", ["falcon", "baichuan"])
def test_falcon_and_baichuan_ignore_a_base_so_it_is_refused(name: str) -> None:
    architecture = {"falcon": "FalconForCausalLM", "baichuan": "BaichuanForCausalLM"}[name]
    config = {"model_type": name, "architectures": [architecture]}
    assert "rotary_base=7.0 (from serving.properties) has no effect" in refusal(config, rotary_base=7.0)


def test_nothing_asked_nothing_patched() -> None:
    assert "config.json" not in resolved().arguments
