import json
from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel, GuideKind
from djl_trtllm.engines.trtllm import llm_model, llm_open, option_map
from djl_trtllm.engines.trtllm.llm_model import LlmModel
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import ArtifactError
from djl_trtllm.options.sources import read
from tests.contract.tensorrt_llm_stand_in import installed
from tests.support.llm_engines import checkpoint
from tests.support.vocabularies import vocabulary


def described(model: CompiledModel, release: str = "1.2.0", **options: object) -> LlmModel:
    chosen = read({f"option.{name}": str(value) for name, value in options.items()}, {})
    with installed("1.2~"):
        resolved = option_map.resolve(
            chosen, Release.of(release), llm_model.read(model), 1, runtime="trtllm-pytorch"
        )
    assert not resolved.problems
    return llm_model.describe(model, chosen, Release.of(release), resolved)


def test_arguments_and_limits(tmp_path: Path) -> None:
    model = checkpoint(tmp_path, [9, 4], max_position_embeddings=4096)
    found = described(model, max_input_len=100, max_output_len=50, max_rolling_batch_size=4)
    assert found.arguments["model"] == str(tmp_path)
    assert found.arguments["skip_tokenizer_init"] is True
    assert (found.arguments["max_input_len"], found.arguments["max_seq_len"]) == (100, 150)
    assert found.ends.ids == (9, 4)
    limits = found.limits
    assert (limits.max_input_len.value, limits.max_output_len.value) == (100, 50)
    assert (limits.max_sequence_len.value, limits.vocab_size.value) == (150, 512)
    assert (limits.max_batch_size.value, limits.kv_cache_tokens.value) == (4, 600)
    assert found.kv_cache["enable_block_reuse"] is False
    assert found.scheduler["capacity_scheduler_policy"] == "MAX_UTILIZATION"


@pytest.mark.parametrize(
    ("release", "sampler"),
    [
        ("1.0.0", {"enable_trtllm_sampler": True}),
        ("1.1.0", {}),
        ("1.2.1", {"sampler_type": "TRTLLMSampler"}),
        ("1.3.0rc3", {}),
    ],
)
def test_a_sampler_that_samples(tmp_path: Path, release: str, sampler: dict[str, object]) -> None:
    arguments = described(checkpoint(tmp_path), release).arguments
    assert {name: value for name, value in arguments.items() if "sampler" in name} == sampler


def test_a_model_shorter_than_the_options_limits_the_context(tmp_path: Path) -> None:
    model = checkpoint(tmp_path, max_position_embeddings=200)
    context = described(model).limits.max_sequence_len
    assert (context.value, context.source) == (200, "max_position_embeddings in config.json")
    stretched = described(model, "1.3.0rc3", rotary_scaling_type="linear", rotary_scaling_factor=2.0)
    assert stretched.limits.max_sequence_len.value == 400
    assert stretched.arguments["model_kwargs"] == {"rope_scaling": {"type": "linear", "factor": 2.0}}


def test_a_step_shorter_than_a_prompt_limits_the_prompt(tmp_path: Path) -> None:
    longest = described(checkpoint(tmp_path), max_num_tokens=64).limits.max_input_len
    assert (longest.value, longest.source) == (64, "option max_num_tokens, without enable_chunked_context")
    chunked = described(checkpoint(tmp_path), max_num_tokens=64, enable_chunked_context="true")
    assert chunked.limits.max_input_len.value == 1024


def test_beams_go_without_the_overlap_scheduler(tmp_path: Path) -> None:
    found = described(checkpoint(tmp_path), max_beam_width=4)
    assert (found.beams, found.arguments["disable_overlap_scheduler"]) == (4, True)


def test_the_vocabulary_of_a_model_of_several_parts(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    config = {"model_type": "llava", "text_config": {"vocab_size": 77}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert described(CompiledModel(tmp_path, "m")).limits.vocab_size.value == 77
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava"}))
    with pytest.raises(ArtifactError, match="vocab_size"):
        described(CompiledModel(tmp_path, "m"))


def guided(path: Path, release: str = "1.2.1", vocab_size: int = 600, **options: object) -> LlmModel:
    made = checkpoint(path, 1, vocab_size=vocab_size)
    (path / "tokenizer.json").write_text(vocabulary("byte_level").to_str(), encoding="utf-8")
    return described(made, release, **options)


def test_guides_need_a_tokenizer_of_the_librarys_own(tmp_path: Path) -> None:
    found = guided(tmp_path)
    assert found.features.guides == frozenset(GuideKind)
    arguments = llm_open.guiding(found)
    assert (arguments["skip_tokenizer_init"], arguments["guided_decoding_backend"]) == (False, "xgrammar")
    assert arguments["tokenizer"].eos_token_id == 1
    assert arguments["tokenizer"].get_vocab() == vocabulary("byte_level").get_vocab()


def test_without_guides_the_library_gets_no_tokenizer(tmp_path: Path) -> None:
    for number, found in enumerate(
        (
            guided(tmp_path / "off", guided_decoding="off"),
            guided(tmp_path / "beams", max_beam_width=2),
            guided(tmp_path / "small", vocab_size=500),
            described(checkpoint(tmp_path / "none", 1)),
            llm_model.without_guides(guided(tmp_path / "taken")),
        )
    ):
        assert not found.features.guides, number
        assert found.tokens is None
        assert llm_open.guiding(found) == {}
