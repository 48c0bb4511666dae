"""A model that needs no compiling, loaded and served as DJL would have it: engines in both layouts, a checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm import service
from djl_trtllm.engines.trtllm import gpus
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.errors import ArtifactError, LoadError, UnsupportedModel
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.service import Service
from tests.contract.tensorrt_llm_stand_in import Recorder, expected_tokens, installed, write_engine
from tests.support import checkpoints, loop

PBTXT = """
max_batch_size: 6
parameters: { key: "batch_scheduler_policy" value: { string_value: "guaranteed_no_evict" } }
parameters: { key: "kv_cache_free_gpu_mem_fraction" value: { string_value: "0.5" } }
parameters: { key: "max_beam_width" value: { string_value: "${max_beam_width}" } }
"""
VOCABULARY = 1000


@pytest.fixture(autouse=True)
def _gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "devices", lambda: (Gpu("NVIDIA A10G", "8.6", 24 << 30),))


def repository(root: Path, row: str, name: str = "rank0.engine", **values: Any) -> Path:
    """Write a repository of LMI's: the tokenizer's files one level above the engine."""
    home = root / "tensorrt_llm"
    home.mkdir(parents=True)
    write_engine(home / "1", row, vocab_size=VOCABULARY, **values)
    (home / "1" / "rank0.engine").rename(home / "1" / name)
    (home / "config.pbtxt").write_text(PBTXT)
    save_tokenizer(home)
    return root


def save_tokenizer(directory: Path) -> None:
    for file in loop.tokenizer_files():
        shutil.copy(file, directory)


@contextmanager
def loaded(model: Path, runtime: str = "trtllm", **options: object) -> Iterator[Service]:
    values = {"model_id": model, "runtime": runtime, "cache_dir": model.parent / "cache", **options}
    served = service.load({f"option.{name}": str(value) for name, value in values.items()}, {}, 1 << 20)
    assert isinstance(served, Service)
    try:
        yield served
    finally:
        served.close()


def text_of(served: Service) -> str:
    body = json.dumps({"inputs": "the fox", "parameters": {"max_new_tokens": 5}}).encode()
    (answer,) = served.answer([Arrival(body, {"Content-Type": "application/json"})])
    assert answer.error is None
    return str(json.loads(answer.text)["generated_text"])


def expected_text(vocabulary: int = VOCABULARY) -> str:
    tokenizer = loop.tokenizer()
    return tokenizer.decode(expected_tokens(tokenizer.encode("the fox"), 5, vocab_size=vocabulary))


def given(recorder: Recorder, name: str) -> dict[str, Any]:
    return next(call.arguments for call in recorder.calls if call.name == name and call.method == "__init__")


@pytest.mark.parametrize("row", ["0.12.0", "1.2~"])
@pytest.mark.parametrize("name", ["rank0.engine", "llama_float16_tp1_rank0.engine"])
def test_a_repository_with_its_config_pbtxt(tmp_path: Path, row: str, name: str) -> None:
    model = repository(tmp_path / "model", row, name)
    with installed(row) as recorder:
        with loaded(model) as served:
            assert text_of(served) == expected_text()
            assert served.options.source_of("kv_cache_free_gpu_mem_fraction") == "config.pbtxt"
            assert served.options.max_rolling_batch_size == 6
        assert given(recorder, "KvCacheConfig")["free_gpu_memory_fraction"] == 0.5
        assert given(recorder, "SchedulerConfig")["capacity_scheduler_policy"] == "GUARANTEED_NO_EVICT"
        with loaded(model, kv_cache_free_gpu_mem_fraction=0.25) as served:
            assert served.options.source_of("kv_cache_free_gpu_mem_fraction") == "serving.properties"


def test_a_flat_directory(tmp_path: Path) -> None:
    write_engine(tmp_path / "model", "0.16.0", vocab_size=VOCABULARY)
    save_tokenizer(tmp_path / "model")
    with installed("0.16.0"), loaded(tmp_path / "model") as served:
        assert text_of(served) == expected_text()


def test_a_checkpoint_through_the_llm_api(tmp_path: Path) -> None:
    model = checkpoints.write(tmp_path / "model", architectures=["LlamaForCausalLM"], vocab_size=VOCABULARY)
    save_tokenizer(model)
    with installed("1.2~"), loaded(model, "trtllm-pytorch") as served:
        assert text_of(served) == expected_text()


def refusal(model: Path, kind: type[LoadError], row: str = "0.12.0", **options: object) -> str:
    with installed(row) as recorder, pytest.raises(kind) as caught, loaded(model, **options):  # type: ignore[arg-type]
        pass
    assert not [call for call in recorder.calls if call.name in ("Executor", "GptManager", "LLM")]
    return str(caught.value)


def test_what_cannot_run_is_said_before_the_library_is_touched(tmp_path: Path) -> None:
    model = repository(tmp_path / "model", "0.11.0")
    said = refusal(model, ArtifactError)
    assert "was built by TensorRT-LLM 0.11.0, and 0.12.0 is installed here" in said
    (model / "tensorrt_llm" / "1" / "rank0.engine").write_bytes(b"")
    (model / "tensorrt_llm" / "tokenizer.json").unlink()
    said = refusal(model, ArtifactError)
    for words in ("0.11.0", "is empty (0 bytes)", "has no tokenizer"):
        assert words in said


def test_four_ranks_are_not_one(tmp_path: Path) -> None:
    said = refusal(repository(tmp_path / "model", "0.12.0", world=4), ArtifactError)
    assert "are for 4 ranks (tensor parallel 4 x pipeline parallel 1), and 1 rank was started" in said


def test_engines_are_not_for_the_llm_api(tmp_path: Path) -> None:
    model = repository(tmp_path / "model", "1.2~")
    said = refusal(model, UnsupportedModel, "1.2~", runtime="trtllm-pytorch")
    assert "Set runtime=trtllm" in said
