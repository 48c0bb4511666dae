from __future__ import annotations

from tests.engines.trtllm.option_kit import refusal, resolved

FALCON = {"model_type": "falcon", "architectures": ["FalconForCausalLM"], "vocab_size": 65025}
QWEN = {"model_type": "qwen", "architectures": ["QWenLMHeadModel"], "auto_map": {"AutoConfig": "x.Y"}}


def test_a_vocabulary_that_ranks_cannot_share() -> None:
    assert refusal(FALCON, ranks=2) == (
        "tensor_parallel_degree=2 does not divide the vocabulary of org/model (65025 tokens), as TensorRT-LLM needs for"
        " Falcon models. Choose one that does."
    )
    assert resolved(FALCON, ranks=3).problems == ()
    assert resolved({"vocab_size": 32001}, ranks=2).problems == ()


def test_heads_and_layers_that_ranks_cannot_share() -> None:
    shape = {"num_attention_heads": 6, "num_hidden_layers": 3}
    assert refusal(shape, ranks=4) == (
        "tensor_parallel_degree=4 does not divide the 6 attention heads of org/model. Choose one that does."
    )
    assert refusal(shape, ranks=4, pipeline_parallel_degree=2) == (
        "pipeline_parallel_degree=2 does not divide the 3 layers of org/model. Choose one that does."
    )
    assert resolved(shape, ranks=6, pipeline_parallel_degree=3).problems == ()


def test_stages_on_the_release_that_has_none() -> None:
    assert "splits a model by tensor parallelism only" in refusal(
        release="0.8.0", ranks=2, pipeline_parallel_degree=2
    )
    assert resolved(release="0.9.0", ranks=2, pipeline_parallel_degree=2).problems == ()


def test_code_of_the_checkpoint_runs_only_where_it_is_trusted() -> None:
    assert "Set option.trust_remote_code=true" in refusal(QWEN)
    assert resolved(QWEN, trust_remote_code=True).problems == ()
    assert resolved({"auto_map": {"AutoConfig": "x.Y"}}).problems == ()


def test_a_checkpoint_that_is_quantised_already() -> None:
    problem = refusal({"quantization_config": {"quant_method": "gptq", "bits": 4}})
    assert problem.startswith("org/model is quantised already (gptq), and TensorRT-LLM compiles the weights")


def test_a_release_that_cannot_compile_it() -> None:
    assert refusal(FALCON, "0.11.0") == (
        "org/model is a Falcon model, which TensorRT-LLM 0.11.0 cannot compile by itself. Use TensorRT-LLM 0.12 or"
        " later, or serve an engine that was built elsewhere."
    )


def test_prompts_that_no_step_holds() -> None:
    assert "prompts longer than that would never run" in refusal(max_input_len=20000, max_num_tokens=16384)


def test_fp8_attention_needs_fp8_weights() -> None:
    assert refusal(use_fp8_context_fmha=True) == (
        "use_fp8_context_fmha=true (from serving.properties) needs quantize=fp8. Set it, or remove the option."
    )
