from __future__ import annotations

import pytest

from tests.engines.trtllm.option_kit import refusal, resolved

FALCON = {"model_type": "falcon", "architectures": ["FalconForCausalLM"]}
GPTJ = {"model_type": "gptj", "architectures": ["GPTJForCausalLM"]}
MIXTRAL = {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"]}


def test_awq_on_falcon_is_refused_by_name() -> None:
    assert refusal(FALCON, quantize="awq") == (
        "quantize=awq (from serving.properties) is not possible for org/model, a Falcon model, on TensorRT-LLM"
        " 0.14.0. Choose fp8 or int8 or int4, or leave quantize out."
    )


def test_smoothquant_on_mixtral_is_refused_by_name() -> None:
    assert "a Mixtral model" in refusal(MIXTRAL, quantize="smoothquant")


def test_a_later_release_that_could_is_named() -> None:
    problem = refusal(release="0.9.0", quantize="smoothquant")
    assert "LLaMA models take it from TensorRT-LLM 0.10 on. Leave quantize out." in problem


def test_native_smoothquant_takes_its_512_samples_and_says_so() -> None:
    found = resolved(quantize="smoothquant", smoothquant_alpha=0.6, smoothquant_per_token=True)
    assert found.at("QuantConfig") == {
        "quant_algo": "W8A8_SQ_PER_TENSOR_PER_TOKEN_PLUGIN",
        "smoothquant_val": 0.6,
    }
    assert found.at("quantize")["calib_batches"] == 512
    assert found.at("calibration") == {"dataset": None, "samples": 512}
    assert found.notes == (
        "calib_size=32 (from default) is raised to 512: TensorRT-LLM's SmoothQuant fails on fewer samples.",
    )
    assert resolved(quantize="smoothquant", calib_size=600).at("quantize")["calib_batches"] == 600


def test_gptj_is_smoothed_by_modelopt_whatever_the_flags() -> None:
    found = resolved(GPTJ, quantize="smoothquant", smoothquant_per_token=True, smoothquant_per_channel=True)
    assert found.at("QuantConfig") == {"quant_algo": "W8A8_SQ_PER_CHANNEL"}
    assert [note.split(" (from")[0] for note in found.notes] == ["smoothquant_per_token=true"]


def test_awq_sets_the_kv_cache_back_and_says_where_samples_are_cut() -> None:
    found = resolved(quantize="awq", awq_block_size=64, calib_size=100, calib_dataset="/data/text.txt")
    assert found.at("QuantConfig") == {"quant_algo": "W4A16_AWQ", "group_size": 64}
    assert found.at("checkpoint") == {"quantization.kv_cache_quant_algo": None}
    assert found.at("calibration")["dataset"] == "/data/text.txt"
    assert found.notes == ("calib_size=100 (from serving.properties) is cut to 32 by TensorRT-LLM's AWQ.",)


def test_fp8_takes_an_fp8_kv_cache() -> None:
    found = resolved(quantize="fp8")
    assert found.at("QuantConfig") == {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}
    assert found.at("checkpoint") == {"quantization.kv_cache_quant_algo": "FP8"}


@pytest.mark.parametrize(("choice", "algorithm"), [("int8", "W8A16"), ("int4", "W4A16")])
def test_weights_only_goes_without_calibration(choice: str, algorithm: str) -> None:
    found = resolved(quantize=choice)
    assert found.at("QuantConfig") == {"quant_algo": algorithm}
    assert found.at("quantize") == {}
    assert "calibration" not in found.arguments
    assert found.at("from_hugging_face")["dtype"] == "float16"
