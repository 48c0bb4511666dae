"""The stand-in's LLM API behaves as the library's since 1.0, and refuses what that refuses."""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.tensorrt_llm_stand_in import environment, expected_tokens, installed, write_engine
from tests.contract.tensorrt_llm_stand_in.behaviours.main_guard import guarded
from tests.contract.tensorrt_llm_stand_in.behaviours.tokens import log_prob

ROWS = ("1.0~", "1.2~", "1.3.0rc3", "1.3-main-after-2026-07")
PROMPT = [300, 301, 302]


def want(count: int = 8, prompt: list[int] = PROMPT, **sampling: Any) -> list[int]:
    return expected_tokens(prompt, count, vocab_size=1000, **sampling)


def checkpoint(directory: Path, **config: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    values = {"architectures": ["LlamaForCausalLM"], "vocab_size": 1000, "max_position_embeddings": 600}
    (directory / "config.json").write_text(json.dumps({**values, **config}))
    (directory / "model.safetensors").write_bytes(b"weights")
    return directory


@contextmanager
def opened(row: str, path: Path, *, knobs: Any = None, config: Any = None, **arguments: Any) -> Iterator[Any]:
    model = checkpoint(path / "model", **(config or {}))
    with installed(row, **(knobs or {})):
        import tensorrt_llm

        llm = tensorrt_llm.LLM(model=model, **{"skip_tokenizer_init": True, **arguments})
        try:
            yield tensorrt_llm, llm
        finally:
            llm.shutdown()


def params(module: Any, count: int = 8, **values: Any) -> Any:
    return module.SamplingParams(**{"max_tokens": count, "end_id": -1, **values})


@pytest.mark.parametrize("row", ROWS)
def test_an_output_grows_while_it_is_iterated(row: str, tmp_path: Path) -> None:
    async def run(module: Any, llm: Any) -> None:
        output = llm.generate_async(inputs=PROMPT, sampling_params=params(module, logprobs=1), streaming=True)
        lengths = []
        async for step in output:
            assert step is output
            assert output.outputs[0].token_ids == want()[: len(output.outputs[0].token_ids)]
            lengths.append(len(output.outputs[0].token_ids))
        assert lengths == sorted(lengths)
        assert lengths[-1] == 8
        assert len(lengths) > 4
        best = output.outputs[0]
        assert (best.finish_reason, best.stop_reason, output.finished) == ("length", None, True)
        assert [probs[token].logprob for probs, token in zip(best.logprobs, want(), strict=True)] == [
            log_prob(token) for token in want()
        ]
        with pytest.raises(StopAsyncIteration):
            await output.__anext__()
        many = [llm.generate_async(inputs=[300 + n, 301], sampling_params=params(module)) for n in range(40)]
        for n, one in enumerate(many):
            assert (await one.aresult()).outputs[0].token_ids == want(8, [300 + n, 301])

    with opened(row, tmp_path) as (module, llm):
        asyncio.run(run(module, llm))


def test_without_an_event_loop_it_is_waited_for(tmp_path: Path) -> None:
    with opened("1.2~", tmp_path, knobs={"step": 0.01}) as (module, llm):
        output = llm.generate_async(inputs=PROMPT, sampling_params=params(module), streaming=True)
        assert [step is output for step in output][-1]
        assert output.outputs[0].token_ids == want()
        late = llm.generate_async(inputs=PROMPT, sampling_params=params(module, 400))
        with pytest.raises(queue.Empty):
            late.result(timeout=0.01)
        with pytest.raises(AssertionError, match="event loop was not present"):
            asyncio.run(late.aresult())
        late.abort()
        assert late.result(timeout=5).outputs[0].finish_reason == "cancelled"


def test_abort_ends_a_stream(tmp_path: Path) -> None:
    async def run(module: Any, llm: Any) -> None:
        output = llm.generate_async(inputs=PROMPT, sampling_params=params(module, 500), streaming=True)
        steps = 0
        async for step in output:
            steps += 1
            if steps == 2:
                step.abort()
                step.abort()
        assert steps < 40
        assert (output.finished, output.outputs[0].finish_reason) == (True, "cancelled")
        output.abort()

    with opened("1.2~", tmp_path, knobs={"step": 0.002}) as (module, llm):
        asyncio.run(run(module, llm))


def test_ends_stops_and_sampling(tmp_path: Path) -> None:
    plain = want(30)
    stop = plain[4]

    async def run(module: Any, llm: Any, **values: Any) -> Any:
        output = llm.generate_async(inputs=PROMPT, sampling_params=params(module, 30, **values))
        return (await output.aresult()).outputs[0]

    with opened("1.2~", tmp_path) as (module, llm):
        ended = asyncio.run(run(module, llm, end_id=stop))
        cut = asyncio.run(run(module, llm, stop_token_ids=[stop]))
        kept = asyncio.run(run(module, llm, stop_token_ids=[stop], include_stop_str_in_output=True))
        ignored = asyncio.run(run(module, llm, end_id=stop, ignore_eos=True))
        passed = asyncio.run(run(module, llm, bad_token_ids=[plain[0]]))
        drawn = asyncio.run(run(module, llm, temperature=0.7, seed=4, min_p=0.1))
        greedy = asyncio.run(run(module, llm, temperature=0.0, top_k=30))
    with opened("1.2~", tmp_path, sampler_type="TRTLLMSampler") as (module, llm):
        barred = asyncio.run(run(module, llm, bad_token_ids=[plain[0]]))
    assert passed.token_ids == plain, "only the C++ sampler knows bad words"
    assert (ended.token_ids, ended.finish_reason, ended.stop_reason) == (plain[:5], "stop", None)
    assert (cut.token_ids, cut.finish_reason, cut.stop_reason) == (plain[:4], "stop", stop)
    assert (kept.token_ids, kept.stop_reason) == (plain[:5], stop)
    assert (ignored.token_ids, ignored.finish_reason) == (plain, "length")
    assert barred.token_ids == want(30, bad_words=[[plain[0]]])
    assert drawn.token_ids == want(30, temperature=0.7, seed=4, min_p=0.1, top_p=1.0) != plain
    assert greedy.token_ids == plain


def test_several_outputs_and_beams(tmp_path: Path) -> None:
    with opened("1.2~", tmp_path, max_beam_width=2) as (module, llm):
        three = llm.generate(inputs=PROMPT, sampling_params=params(module, n=3, top_k=40))
        assert [o.token_ids for o in three.outputs] == [want(top_k=40, sequence=n) for n in range(3)]
        beams = llm.generate(inputs=PROMPT, sampling_params=params(module, n=2, use_beam_search=True))
        assert [o.token_ids for o in beams.outputs] == [want(beam_width=2, beam=b) for b in range(2)]
        with pytest.raises(ValueError, match="beam width 3 is larger than max_beam_width 2"):
            llm.generate(inputs=PROMPT, sampling_params=params(module, n=3, use_beam_search=True))


def test_the_model_ends_its_own_tokens_with_a_tokenizer(tmp_path: Path) -> None:
    plain = want(30)
    eos = {"eos_token_id": [plain[9], plain[4]]}
    with opened("1.2~", tmp_path, config=eos, skip_tokenizer_init=False) as (module, llm):
        sampling = module.SamplingParams(max_tokens=30)
        assert llm.generate(inputs=PROMPT, sampling_params=sampling).outputs[0].token_ids == plain[:4]
        sampling = module.SamplingParams(max_tokens=30, ignore_eos=True)
        assert llm.generate(inputs=PROMPT, sampling_params=sampling).outputs[0].token_ids == plain


def test_lengths_are_clipped_or_refused(tmp_path: Path) -> None:
    with opened("1.2~", tmp_path, max_seq_len=40, max_num_tokens=32) as (module, llm):
        clipped = llm.generate(inputs=[300] * 20, sampling_params=params(module, 500))
        assert clipped.outputs[0].token_ids == want(20, [300] * 20)
        with pytest.raises(ValueError, match=r"should not exceed max_num_tokens \(32\)"):
            llm.generate_async(inputs=[300] * 33, sampling_params=params(module))
    with opened("1.2~", tmp_path, max_seq_len=40) as (module, llm):
        output = llm.generate_async(inputs=[300] * 40, sampling_params=params(module))
        with pytest.raises(RuntimeError, match="max_seq_len"):
            output.result(timeout=5)
        with pytest.raises(RuntimeError, match="vocabulary"):
            llm.generate(inputs=[1000], sampling_params=params(module))


@pytest.mark.parametrize("row", ROWS)
def test_arguments_of_the_constructor(row: str, tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "model")
    with installed(row) as recorder:
        from tensorrt_llm import LLM

        wrong: list[dict[str, Any]] = [
            {"max_rolling_batch_size": 4},
            {"max_batch_size": "4"},
            {"tensor_parallel_size": "2"},
            {"max_seq_len": 0},
            {"kv_cache_config": 0.9},
        ]
        for arguments in wrong:
            with pytest.raises((ValueError, TypeError)):
                LLM(model=model, **arguments)
        with pytest.raises(ValueError, match="Extra inputs are not permitted"):
            LLM(model=model, **wrong[0])
        with pytest.raises(RuntimeError, match="larger than the number of available GPUs"):
            LLM(model=model, tensor_parallel_size=16)
        LLM(model=model, max_batch_size=4).shutdown()
        assert recorder.of("LLM", "__init__")[-1].arguments == {"model": str(model), "max_batch_size": 4}


def test_models_that_are_no_checkpoints(tmp_path: Path) -> None:
    no_weights = checkpoint(tmp_path / "empty")
    (no_weights / "model.safetensors").unlink()
    with installed("1.2~"):
        from tensorrt_llm import LLM

        for model, error, text in (
            ("meta-llama/Llama-2-7b", RuntimeError, "no config.json"),
            (tmp_path, RuntimeError, "no config.json"),
            (write_engine(tmp_path / "engine", "1.2~"), ValueError, "no architectures"),
            (no_weights, RuntimeError, "No weight files"),
        ):
            with pytest.raises(error, match=text):
                LLM(model=model)
    with pytest.raises(RuntimeError, match="No CUDA GPUs"), opened("1.2~", tmp_path, knobs={"gpu": False}):
        pass


def test_not_under_an_external_mpirun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    with pytest.raises(RuntimeError, match="MPI_Comm_spawn"), opened("1.2~", tmp_path):
        pass


def test_the_main_module_has_to_be_guarded(tmp_path: Path) -> None:
    assert guarded("import a\nif __name__ == '__main__':\n    f()\n", 3)
    assert not guarded("import a\nif a:\n    f()\n", 3)
    assert not guarded("import a\na.f()\n", 2)
    model = checkpoint(tmp_path / "model")
    program = tmp_path / "program.py"
    program.write_text(f"from tensorrt_llm import LLM\nLLM(model={str(model)!r}).shutdown()\n")
    variables = environment("1.2~")
    ended = subprocess.run(
        [sys.executable, str(program)], env=variables, capture_output=True, text=True, timeout=60
    )
    assert "forgotten to use the proper idiom in the main module" in ended.stderr


BAD_PARAMS: dict[str, dict[str, Any]] = {
    "top_p": {"top_p": 1.5},
    "top_k": {"top_k": -1},
    "temperature": {"temperature": -0.1},
    "tokens": {"max_tokens": 0},
    "repetition": {"repetition_penalty": 0.0},
    "n": {"n": 0},
    "greedy n": {"n": 2},
    "best_of": {"n": 3, "best_of": 2, "top_k": 5},
    "one beam": {"use_beam_search": True},
}


@pytest.mark.parametrize("name", list(BAD_PARAMS))
def test_sampling_params_are_checked(name: str) -> None:
    with installed("1.2~"):
        from tensorrt_llm import SamplingParams

        with pytest.raises(ValueError):
            SamplingParams(**BAD_PARAMS[name])
        with pytest.raises(TypeError):
            SamplingParams(max_new_tokens=3)


def test_requests_that_are_refused(tmp_path: Path) -> None:
    with opened("1.2~", tmp_path) as (module, llm):
        wrong: list[tuple[Any, Any, type[Exception], str]] = [
            ("hello", params(module), ValueError, "tokenizer"),
            ([1.5], params(module), TypeError, "list of int"),
            ([], params(module), ValueError, "no tokens"),
            (PROMPT, None, ValueError, "tokenizer is required"),
            (PROMPT, params(module, end_id=None), ValueError, "specify the end_id"),
            (PROMPT, params(module, stop="."), ValueError, "tokenizer"),
            (PROMPT, params(module, prompt_logprobs=1), ValueError, "prompt_logprobs"),
            (PROMPT, {"max_tokens": 4}, TypeError, "SamplingParams"),
        ]
        for inputs, sampling, error, text in wrong:
            with pytest.raises(error, match=text):
                llm.generate_async(inputs=inputs, sampling_params=sampling)
        with pytest.raises(TypeError):
            llm.generate_async(PROMPT, params(module))
        with pytest.raises(TypeError):
            llm.generate_async(inputs=PROMPT, max_tokens=3)


def test_shutdown_cancels_and_forbids(tmp_path: Path) -> None:
    with opened("1.2~", tmp_path, knobs={"step": 0.002}) as (module, llm):
        output = llm.generate_async(inputs=PROMPT, sampling_params=params(module, 500), streaming=True)
        next(output)
        llm.shutdown()
        llm.shutdown()
        assert output.result(timeout=5).outputs[0].finish_reason == "cancelled"
        with pytest.raises(RuntimeError, match="shutting down"):
            llm.generate_async(inputs=PROMPT, sampling_params=params(module))


def test_a_failed_step_ends_everybody(tmp_path: Path) -> None:
    faults = [{"stage": "step", "kind": "raise", "after": 2, "message": "CUDA error"}]
    with opened("1.2~", tmp_path, knobs={"faults": faults}) as (module, llm):
        outputs = [llm.generate_async(inputs=PROMPT, sampling_params=params(module, 50)) for _ in range(2)]
        for output in outputs:
            with pytest.raises(RuntimeError, match="CUDA error") as caught:
                output.result(timeout=5)
            assert type(caught.value).__name__ == "RequestError"
        with pytest.raises(RuntimeError, match="worker died"):
            llm.generate_async(inputs=PROMPT, sampling_params=params(module))


def test_statistics_where_they_are_asked_for(tmp_path: Path) -> None:
    with opened("1.2~", tmp_path, enable_iter_perf_stats=True) as (module, llm):
        llm.generate(inputs=PROMPT, sampling_params=params(module))
        stats = llm.get_stats(timeout=1)
        assert 4 < len(stats) < 10
        assert stats[0]["kvCacheStats"]["tokensPerBlock"] == 32
        assert llm.get_stats(timeout=0) == []
    with opened("1.2~", tmp_path) as (module, llm):
        llm.generate(inputs=PROMPT, sampling_params=params(module))
        assert llm.get_stats(timeout=0) == []


def test_the_engine_backend_says_what_is_too_long(tmp_path: Path) -> None:
    directory = write_engine(tmp_path / "engine", "1.2~", max_input_len=16, max_seq_len=40)
    with installed("1.2~"):
        from tensorrt_llm import SamplingParams
        from tensorrt_llm._tensorrt_engine import LLM

        with LLM(model=directory, skip_tokenizer_init=True) as llm:
            sampling = SamplingParams(max_tokens=8, end_id=-1)
            assert llm.generate(inputs=PROMPT, sampling_params=sampling).outputs[0].token_ids == want()
            with pytest.raises(ValueError, match=r"max_seq_len \(40\)"):
                llm.generate_async(inputs=[300] * 33, sampling_params=sampling)
        with pytest.raises(ValueError, match="Extra inputs are not permitted"):
            LLM(model=directory, attn_backend="TRTLLM")
        with pytest.raises(RuntimeError, match="Version tag does not match"):
            LLM(model=write_engine(tmp_path / "old", "1.0~"))
