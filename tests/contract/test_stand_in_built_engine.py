"""What the stand-in builds, its executor runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.stand_in_executor_kit import Subject
from tests.contract.tensorrt_llm_stand_in import expected_tokens, installed
from tests.support import family_checkpoints as checkpoints

PROMPT = [30, 31, 32]


@pytest.mark.parametrize("row", ["0.10.0", "0.12.0", "0.14.0", "0.16.0", "0.17~", "0.21~", "1.0~", "1.2~"])
def test_a_built_engine_is_served(row: str, tmp_path: Path) -> None:
    model_path = checkpoints.write(tmp_path / "c", "llama")
    with installed(row):
        from tensorrt_llm.bindings import executor as bindings
        from tensorrt_llm.builder import BuildConfig, build
        from tensorrt_llm.mapping import Mapping
        from tensorrt_llm.models import MODEL_MAP
        from tensorrt_llm.models.modeling_utils import QuantConfig

        lengths = {"max_output_len": 64} if row == "0.10.0" else {"max_seq_len": 128}
        model = MODEL_MAP["LlamaForCausalLM"].from_hugging_face(
            **{"hf_model_dir" if row == "0.10.0" else "hf_model_or_dir": str(model_path)},
            dtype="float16",
            mapping=Mapping(world_size=1, rank=0, tp_size=1),
            **({} if row == "0.10.0" else {"quant_config": QuantConfig()}),
        )
        limits = BuildConfig(max_input_len=64, max_batch_size=4, max_num_tokens=256, **lengths)
        build(model=model, build_config=limits).save(engine_dir=str(tmp_path / "engine"))
        executor = bindings.Executor(
            model_path=tmp_path / "engine",
            model_type=bindings.ModelType.DECODER_ONLY,
            executor_config=bindings.ExecutorConfig(max_beam_width=1),
        )
        subject = Subject(row, bindings, executor)
        answer, over = subject.run(subject.request(PROMPT, 100), subject.request([30] * 128, 1))
        executor.shutdown()
    assert answer.tokens() == expected_tokens(PROMPT, 100, vocab_size=64)
    assert "exceeds maximum input length" in str(over.error)
