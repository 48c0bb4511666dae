import json
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.engines.trtllm import prebuilt
from djl_trtllm.errors import ArtifactError
from tests.support import engine_directories as engines


def facts_of(path: Path, content: dict[str, Any]) -> prebuilt.EngineFacts:
    return prebuilt.read(engines.write(path, content))


def test_the_layout_of_today(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, engines.config("0.12.0", tp=2, pp=2))
    assert (facts.version, facts.architecture, facts.dtype) == ("0.12.0", "LlamaForCausalLM", "float16")
    assert (facts.world_size, facts.tp_size, facts.pp_size, facts.cp_size) == (4, 2, 2, 1)
    assert (facts.max_input_len, facts.max_seq_len, facts.max_output_len) == (1024, 1536, None)
    assert (facts.max_batch_size, facts.max_beam_width, facts.max_num_tokens) == (8, 1, 8192)
    assert (facts.tokens_per_block, facts.paged_context_fmha, facts.legacy) == (64, True, False)
    assert (facts.vocab_size, facts.max_position_embeddings) == (32000, 4096)


def test_before_0_11_output_had_a_limit_of_its_own(tmp_path: Path) -> None:
    content = engines.config(
        "0.8.0", build={"max_seq_len": None, "max_output_len": 256, "max_num_tokens": None}
    )
    model = content["pretrained_config"]
    model.update(model.pop("mapping"))  # 0.8 has the sizes beside the rest
    facts = facts_of(tmp_path, content)
    assert (facts.max_input_len, facts.max_output_len, facts.max_seq_len) == (1024, 256, 1280)
    assert (facts.max_num_tokens, facts.world_size) == (None, 1)


def test_the_layout_of_the_build_scripts(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, engines.legacy_config(tp=2))
    assert (facts.version, facts.legacy, facts.architecture) == (None, True, "gpt")
    assert (facts.world_size, facts.tp_size) == (2, 2)
    assert (facts.max_input_len, facts.max_output_len, facts.max_seq_len) == (200, 100, 300)
    assert (facts.tokens_per_block, facts.paged_context_fmha, facts.max_num_tokens) == (128, False, None)


def test_context_parallel_ranks_are_ranks(tmp_path: Path) -> None:
    content = engines.config("1.0.0", tp=2)
    content["pretrained_config"]["mapping"] = {"tp_size": 2, "pp_size": 1, "cp_size": 2}
    assert facts_of(tmp_path, content).world_size == 4


def test_a_cache_that_is_not_paged_has_no_blocks(tmp_path: Path) -> None:
    plugins = {"paged_kv_cache": False, "tokens_per_block": 64}
    assert facts_of(tmp_path, engines.config(build={"plugin_config": plugins})).tokens_per_block is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"config.json is not JSON \(0 bytes\); it is probably truncated"),
        ('{"version": "0.12', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds no JSON object"),
        ('{"model_type": "llama"}', "describes a Hugging Face checkpoint"),
        ('{"name": "x"}', "describes something else"),
        ('{"version": "0.12.0", "build_config": {}}', "has a build_config but no pretrained_config"),
    ],
)
def test_a_file_that_says_nothing_of_engines(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ArtifactError, match=words):
        prebuilt.read(tmp_path)


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        prebuilt.read(tmp_path)


def test_everything_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    content = {"pretrained_config": {"vocab_size": True}, "build_config": {"max_batch_size": -1}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ArtifactError) as caught:
        prebuilt.read(tmp_path)
    said = str(caught.value)
    for words in ("max_batch_size=-1", "vocab_size=True", "no max_input_len", "no max_seq_len", "no version"):
        assert words in said
    assert len(caught.value.problems) == 5
