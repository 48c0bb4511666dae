from __future__ import annotations

from djl_trtllm.engines.trtllm.option_map import as_markdown, resolve
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options import sources
from tests.engines.trtllm.option_kit import refusal, resolved

FALCON = {"model_type": "falcon", "architectures": ["FalconForCausalLM"], "vocab_size": 65025}
GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_positions": 1024}


def test_learned_positions_bound_the_engine() -> None:
    found = resolved(GPT2)
    assert found.at("BuildConfig")["max_seq_len"] == 1024
    assert found.at("BuildConfig")["max_input_len"] == 1023
    assert found.notes == (
        "max_input_len=1024 and max_output_len=512 make sequences of 1536 tokens; org/model has 1024 positions, so the"
        " engine is built for 1024.",
    )


def test_float32_weights_are_built_in_float16_unless_asked_for() -> None:
    found = resolved({"torch_dtype": "float32"})
    assert found.at("from_hugging_face")["dtype"] == "float16"
    assert "Set dtype=fp32 to keep them" in found.notes[0]
    assert resolved({"torch_dtype": "float32"}, dtype="fp32").at("from_hugging_face")["dtype"] == "float32"
    assert resolved({"torch_dtype": None, "dtype": "bfloat16"}).at("from_hugging_face")["dtype"] == "bfloat16"


def test_the_step_holds_a_whole_prompt() -> None:
    found = resolved(max_input_len=20000)
    assert found.at("BuildConfig")["max_num_tokens"] == 20000
    assert found.notes[0].startswith("max_num_tokens is not set and raised to max_input_len=20000")
    assert "prompts longer than that would never run" in refusal(max_input_len=20000, max_num_tokens=16384)
    chunked = resolved(max_input_len=20000, enable_chunked_context=True)
    assert chunked.at("BuildConfig")["max_num_tokens"] == 16384
    assert chunked.at("PluginConfig")["use_paged_context_fmha"] is True


def test_all_mistakes_at_once() -> None:
    found = resolved(
        FALCON, "0.11.0", 2, quantize="awq", rotary_base=3, gpt_model_version="gpt2", rotary_dim=8
    )
    assert len(found.problems) == 6


def test_an_architecture_nobody_knows_is_a_problem_like_others() -> None:
    found = resolved({"architectures": ["BertModel"]}, ranks=2, tensor_parallel_degree=4)
    assert len(found.problems) == 2
    assert found.arguments == {}


def test_an_engine_that_is_there_gets_what_is_for_run_time() -> None:
    options = sources.read({"multi_block_mode": "true", "kv_cache_free_gpu_mem_fraction": "2GiB"}, {})
    found = resolve(options, Release(0, 12), None, 1)
    assert set(found.arguments) == {
        "ExecutorConfig",
        "ExtendedRuntimePerfKnobConfig",
        "KvCache",
        "KvCacheConfig",
        "SchedulerConfig",
    }
    assert found.at("KvCache") == {"max_bytes": 2**31}
    assert found.at("ExtendedRuntimePerfKnobConfig") == {"multi_block_mode": True}
    qwen = resolve(options, Release(0, 12), None, 1, architecture="QWenForCausalLM")
    assert qwen.at("ExtendedRuntimePerfKnobConfig") == {"multi_block_mode": False}
    assert "not for Qwen models" in qwen.notes[0]


def test_arguments_that_no_option_decides() -> None:
    found = resolved()
    assert found.at("PluginConfig")["gemm_plugin"] == "auto"
    assert found.at("from_hugging_face")["load_model_on_cpu"] is True
    assert found.at("ExecutorConfig")["normalize_log_probs"] is False
    old = resolved(release="0.10.0", dtype="bf16").at("PluginConfig")
    assert old["gemm_plugin"] == old["gpt_attention_plugin"] == old["nccl_plugin"] == "bfloat16"


def test_the_tables_name_every_option_once_a_span() -> None:
    lines = [line for line in as_markdown().splitlines() if line.startswith("| `")]
    assert len(lines) == len(set(lines))
    assert "| `max_output_len` | 0.8 to 0.10 | `BuildConfig.max_output_len` |" in lines
    fused = "`PluginConfig.use_fused_mlp` (LLaMA class only); else a line in the log: is for models of the LLaMA type"
    assert [line for line in lines if line.startswith(f"| `use_fused_mlp` | 0.17 to 1.2 | {fused};")]
    assert (
        "| `multi_block_mode` | 0.8 to 1.2 | Qwen: a line in the log: is not for Qwen models, which run without it |"
        in lines
    )
    assert "| `tokens_per_block` | from 1.2 | `LLM.KvCacheConfig.tokens_per_block` |" in lines
