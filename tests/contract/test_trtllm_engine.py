"""The engines over TensorRT-LLM's batch managers keep the rules of the seam, on every release that has one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from djl_trtllm.engines.base import Engine
from tests.contract.engine_suite import EngineSuite, Harness, Subject, prompts
from tests.contract.tensorrt_llm_stand_in import expected_tokens, installed
from tests.support.trtllm_engines import BLOCK, EXECUTOR_ROWS, KV_TOKENS, STEP, VOCAB, engine, model
from tests.support.vocabularies import vocabulary

TOKENIZERS_END = 1


class Suite(EngineSuite):
    """The rules, and tokens to the byte."""

    def test_tokens_are_those_of_the_model(self, subject: Subject) -> None:
        requests = [subject.request(p, max_new_tokens=1 + 3 * i) for i, p in enumerate(prompts(16))]
        for request, (tokens, _) in zip(requests, subject.run(*requests), strict=True):
            most = request.sampling.max_new_tokens
            assert tokens == expected_tokens(request.prompt_ids, most, vocab_size=VOCAB)


@pytest.fixture(scope="class")
def harness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    row, scratch, number = request.param, tmp_path_factory.mktemp("engines"), count()
    with installed(row, step=STEP, kv_tokens=KV_TOKENS + BLOCK):

        def make(eos: int | None) -> Engine:
            directory = scratch / str(next(number))
            # The end token of its tokenizer is one that the stand-in never gives by itself.
            made = model(directory, row, eos=TOKENIZERS_END if eos is None else eos)
            (directory / "tokenizer.json").write_text(vocabulary("byte_level").to_str(), encoding="utf-8")
            return engine(made, kv_cache_free_gpu_mem_fraction=1.0)

        yield Harness(make, KV_TOKENS, vocabulary("byte_level").decode)


@pytest.mark.parametrize("harness", EXECUTOR_ROWS, indirect=True, scope="class")
class TestExecutorEngine(Suite):
    pass


@pytest.mark.parametrize("harness", ["0.8.0"], indirect=True, scope="class")
class TestGptManagerEngine(Suite):
    pass
