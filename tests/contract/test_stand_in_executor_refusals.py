"""What the stand-in's executor does not take: requests, configurations, engine directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.stand_in_executor_kit import opened
from tests.contract.tensorrt_llm_stand_in import expected_tokens, installed, write_engine

PROMPT = [300, 301, 302]


def want(count: int = 8, prompt: list[int] = PROMPT, **sampling: Any) -> list[int]:
    return expected_tokens(prompt, count, vocab_size=1000, **sampling)


BAD_REQUESTS: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "no prompt": ({"prompt": []}, RuntimeError),
    "no tokens": ({"count": 0}, RuntimeError),
    "float tokens": ({"count": 8.0}, TypeError),
    "negative id": ({"prompt": [-1]}, TypeError),
    "huge id": ({"prompt": [2**31]}, TypeError),
    "text": ({"prompt": "hello"}, TypeError),
    "end id": ({"end_id": -2}, RuntimeError),
    "empty stop word": ({"stop_words": [[]]}, RuntimeError),
    "flat stop words": ({"stop_words": [1, 2]}, TypeError),
    "top_k": ({"sampling": {"top_k": 10**12}}, TypeError),
    "negative top_k": ({"sampling": {"top_k": -1}}, RuntimeError),
    "top_p": ({"sampling": {"top_p": 1.5}}, RuntimeError),
    "temperature": ({"sampling": {"temperature": 0.0}}, RuntimeError),
    "nan": ({"sampling": {"temperature": float("nan")}}, RuntimeError),
    "seed": ({"sampling": {"seed": -1}}, TypeError),
    "big seed": ({"sampling": {"seed": 2**64}}, TypeError),
    "repetition": ({"sampling": {"repetition_penalty": 0.0}}, RuntimeError),
    "min tokens": ({"sampling": {"min_tokens": -1}}, RuntimeError),
    "beam width": ({"sampling": {"beam_width": 0}}, RuntimeError),
    "unknown": ({"sampling": {"min_p": 0.1}}, TypeError),
    "two counts": ({"max_new_tokens": 3}, RuntimeError),
    "newer": ({"guided_decoding_params": None}, TypeError),
}


@pytest.mark.parametrize("name", list(BAD_REQUESTS))
def test_a_request_is_checked_where_it_is_made(name: str, tmp_path: Path) -> None:
    values, error = BAD_REQUESTS[name]
    with opened("0.14.0", tmp_path) as subject, pytest.raises(error):
        subject.request(**{"prompt": PROMPT, **values})


def test_ids_outside_the_vocabulary_end_their_request(tmp_path: Path) -> None:
    with opened("0.14.0", tmp_path) as subject:
        bad, good = subject.run(subject.request([1000]), subject.request(PROMPT))
        assert "vocabulary" in str(bad.error)
        assert good.tokens() == want()


def test_biased_tokens(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    bias = torch.zeros(1000)
    bias[want()[0]] = -100.0
    with opened("0.14.0", tmp_path) as subject:
        barred, wrong = subject.run(
            subject.request(PROMPT, embedding_bias=bias),
            subject.request(PROMPT, embedding_bias=torch.zeros(3)),
        )
    assert want()[0] not in barred.tokens()
    assert "embedding_bias" in str(wrong.error)


CONFIGS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "batch": ({"max_batch_size": 33}, {}, r"max_batch_size \(33\) exceeds the engine's \(32\)"),
    "beams": ({"max_beam_width": 2}, {}, r"max_beam_width \(2\) exceeds the engine's \(1\)"),
    "tokens": ({"max_num_tokens": 10000}, {}, r"max_num_tokens \(10000\) exceeds the engine's \(8192\)"),
    "chunked": (
        {"enable_chunked_context": True},
        {"plugin_config": {"use_paged_context_fmha": False}},
        "paged context FMHA",
    ),
}


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_configuration_that_the_engine_does_not_allow(name: str, tmp_path: Path) -> None:
    config, engine, text = CONFIGS[name]
    with pytest.raises(RuntimeError, match=text), opened("0.14.0", tmp_path, config=config, **engine):
        pass


def _opened_from(directory: Path, row: str = "0.14.0", **knobs: Any) -> None:
    with installed(row, **knobs):
        from tensorrt_llm.bindings import executor as module

        module.Executor(
            model_path=directory,
            model_type=module.ModelType.DECODER_ONLY,
            executor_config=module.ExecutorConfig(max_beam_width=1),
        ).shutdown()


def test_an_engine_of_another_version_gpu_or_world_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Version tag does not match"):
        _opened_from(write_engine(tmp_path / "older", "0.12.0"))
    other = {"name": "NVIDIA A100", "capability": "8.0"}
    with pytest.raises(RuntimeError, match=r"incompatible device, expecting compute 8\.6 got compute 8\.0"):
        _opened_from(write_engine(tmp_path / "gpu", "0.14.0", gpu=other))
    _opened_from(write_engine(tmp_path / "gpu", "0.14.0", gpu=other), gpu=other)
    with pytest.raises(RuntimeError, match="no CUDA-capable device"):
        _opened_from(write_engine(tmp_path / "none", "0.14.0"), gpu=False)
    with pytest.raises(RuntimeError, match="expected to be equal to tp\\*pp"):
        _opened_from(write_engine(tmp_path / "world", "0.14.0", world=2))


def test_a_damaged_engine_directory_fails(tmp_path: Path) -> None:
    for name, damage, text in (
        ("missing", lambda p: (p / "rank0.engine").unlink(), "Error opening engine file"),
        ("empty", lambda p: (p / "rank0.engine").write_bytes(b""), "does not match archive size"),
        ("cut", lambda p: _cut(p / "rank0.engine"), "does not match archive size"),
        ("no config", lambda p: (p / "config.json").unlink(), "File does not exist"),
        ("bad config", lambda p: _cut(p / "config.json"), "parse error"),
        ("old config", lambda p: (p / "config.json").write_text("{}"), "key 'version' not found"),
    ):
        directory = write_engine(tmp_path / name, "0.14.0")
        damage(directory)
        with pytest.raises(RuntimeError, match=text):
            _opened_from(directory)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def test_an_open_that_fails_as_injected(tmp_path: Path) -> None:
    faults = [{"stage": "open", "kind": "oom", "times": 1}]
    with pytest.raises(RuntimeError, match="CUDA out of memory"):
        _opened_from(write_engine(tmp_path / "e", "0.14.0"), faults=faults)
