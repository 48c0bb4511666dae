from __future__ import annotations

import pytest

from djl_trtllm.engines.trtllm.variants import baichuan_of, chatglm_of
from tests.engines.trtllm.option_kit import refusal, resolved

GLM2 = {
    "model_type": "chatglm",
    "architectures": ["ChatGLMModel"],
    "padded_vocab_size": 65024,
    "multi_query_attention": True,
}
BAICHUAN = {"model_type": "baichuan", "architectures": ["BaichuanForCausalLM"]}
SEVEN = {"num_attention_heads": 32, "hidden_size": 4096}
BIGCODE = {"model_type": "gpt_bigcode", "architectures": ["GPTBigCodeForCausalLM"], "multi_query": True}


@pytest.mark.parametrize(
    ("config", "version"),
    [
        ({"model_type": "glm", "architectures": ["GLMModel"]}, "glm"),
        ({"model_type": "chatglm", "inner_hidden_size": 16384}, "chatglm"),
        ({"model_type": "chatglm", "position_encoding_2d": True}, "chatglm"),
        (GLM2 | {"_name_or_path": "THUDM/chatglm2-6b-32k"}, "chatglm2"),
        (GLM2 | {"_name_or_path": "THUDM/ChatGLM3-6B"}, "chatglm3"),
        (GLM2 | {"_name_or_path": "THUDM/glm-4-9b-chat"}, "glm4"),
        (GLM2, ""),
        (GLM2 | {"_name_or_path": "me/my-model"}, ""),
        (GLM2 | {"_name_or_path": "me/chatglm-6b"}, ""),
    ],
)
def test_chatglm_by_its_config(config: dict[str, object], version: str) -> None:
    assert chatglm_of(config) == version


def test_a_chatglm_that_does_not_say_which_needs_the_option() -> None:
    assert refusal(GLM2) == (
        "The config.json of org/model does not tell ChatGLM2 from ChatGLM3. Set option.chatglm_model_version to"
        " chatglm2_6b, chatglm2_6b_32k, chatglm3_6b, chatglm3_6b_base or chatglm3_6b_32k."
    )
    told = resolved(GLM2, chatglm_model_version="chatglm3_6b_base")
    assert told.at("from_hugging_face")["chatglm_version"] == "chatglm3"


def test_a_version_that_the_layout_excludes() -> None:
    assert "is a ChatGLM2 or ChatGLM3 model" in refusal(GLM2, chatglm_model_version="chatglm_6b")
    named = GLM2 | {"_name_or_path": "THUDM/chatglm2-6b"}
    assert "is a chatglm2 model as its config.json says" in refusal(
        named, chatglm_model_version="chatglm3_6b"
    )


@pytest.mark.parametrize(
    ("config", "version"),
    [
        (SEVEN | {"vocab_size": 64000}, ("v1", "7b")),
        ({"num_attention_heads": 40, "hidden_size": 5120, "vocab_size": 125696}, ("v2", "13b")),
        ({"num_attention_heads": 4, "hidden_size": 64, "vocab_size": 300}, ("", "")),
    ],
)
def test_baichuan_by_heads_and_vocabulary(config: dict[str, object], version: tuple[str, str]) -> None:
    assert baichuan_of(config) == version


def test_a_baichuan_that_nothing_tells_is_the_guides_default_and_said() -> None:
    found = resolved(BAICHUAN | {"num_attention_heads": 4})
    assert found.at("from_hugging_face")["model_version"] == "v1_13b"
    assert [note for note in found.notes if "baichuan_model_version is not set" in note]
    told = resolved(BAICHUAN | {"num_attention_heads": 4}, baichuan_model_version="v2_7b")
    assert told.at("from_hugging_face")["model_version"] == "v2_7b"
    assert told.notes == ()


def test_a_baichuan_that_is_another() -> None:
    problem = refusal(BAICHUAN | SEVEN | {"vocab_size": 64000}, baichuan_model_version="v2_13b")
    assert "contradicts org/model, which is v1, 7b by its heads and vocabulary" in problem


def test_gpt_bigcode_without_shared_heads() -> None:
    assert "multi_query=false, which TensorRT-LLM cannot convert" in refusal(BIGCODE | {"multi_query": False})


def test_a_looser_name_of_a_gpt_is_taken() -> None:
    found = resolved(BIGCODE, gpt_model_version="santacoder")
    assert found.at("from_hugging_face")["gpt_variant"] == "starcoder"
    assert "has the layout of StarCoder and is built as that" in found.notes[0]


def test_versions_of_other_families_contradict() -> None:
    found = resolved(
        chatglm_model_version="glm_10b", gpt_model_version="gpt2", baichuan_model_version="v1_7b"
    )
    assert len(found.problems) == 3
    assert all("contradicts org/model, which is a LLaMA model" in problem for problem in found.problems)


def test_calibration_is_told_the_variant_too() -> None:
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}
    found = resolved(config, quantize="smoothquant")
    assert found.at("quantize")["gpt_variant"] == "gpt2"
    assert found.at("from_hugging_face") == {}
