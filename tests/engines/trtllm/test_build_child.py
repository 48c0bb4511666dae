"""What is asked of the library, on every release and for every family, and what becomes of its errors."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from djl_trtllm.core import Progress
from djl_trtllm.engines.building.news import Failed
from djl_trtllm.engines.trtllm import build_child, gpus, versions
from djl_trtllm.engines.trtllm import compile as trtllm_compile
from djl_trtllm.engines.trtllm.build_job import Job
from djl_trtllm.engines.trtllm.families import FAMILIES
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import CompileError, LoadError, OptionsError, OutOfMemory, UnsupportedModel
from djl_trtllm.options import sources
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo
from tests.contract.tensorrt_llm_stand_in import ROWS, Recorder, installed, version
from tests.contract.tensorrt_llm_stand_in.rows import minor
from tests.support import raw_families
from tests.support.plans import Stages
from tests.support.teams import together

ENGINE_ROWS = [row for row in ROWS if minor(row) < (1, 3) and row != "0.21~"]
"""Rows with the engine path; 0.21~ has what its neighbours have."""

SINCE = {kind.name: kind.since for kind in FAMILIES}


@contextmanager
def library(row: str, **knobs: Any) -> Iterator[Recorder]:
    """A release of the library, and the GPUs that the driver shows."""
    with (
        pytest.MonkeyPatch.context() as patch,
        installed(row, gpu={"name": "NVIDIA L4", "capability": "8.9"}, **knobs) as found,
    ):
        patch.setattr(versions, "installed", lambda: Release.of(version(row)))
        patch.setattr(gpus, "devices", lambda: [Gpu("NVIDIA L4", "8.9", 24 << 30)] * 8)
        yield found


def in_process(job: Job, options: Options, progress: Progress, check: Callable[[], None]) -> None:
    """Do a job here, without the text, which needs a tokenizer."""
    build_child.run_part(msgspec.structs.replace(job, text=None), progress)


def said(**options: object) -> Options:
    return sources.read({name: str(value) for name, value in options.items()}, {})


def build(
    directory: Path, family: str, config: dict[str, object] | None = None, ranks: int = 1, **options: object
) -> Path:
    """Compile the small checkpoint of a family, in this process."""
    model = raw_families.write(directory / "m", family, **(config or {}))
    out = directory / "out"
    out.mkdir()
    chosen = said(**{**raw_families.NEEDS.get(family, {}), **options})

    def part(team: Any) -> None:
        trtllm_compile.build(model, chosen, team, out, Stages(), in_process)

    if ranks == 1:
        part(Solo())
    else:
        for error in together(ranks, part):
            if error is not None:
                raise error
    return out


@pytest.mark.parametrize("family", raw_families.CONFIGS)
@pytest.mark.parametrize("row", ENGINE_ROWS)
def test_every_family_on_every_release_is_built_or_refused_by_name(
    tmp_path: Path, row: str, family: str
) -> None:
    with library(row) as recorder:
        if minor(row) < SINCE[family]:
            with pytest.raises(OptionsError, match="cannot compile by itself"):
                build(tmp_path, family)
            return
        out = build(tmp_path, family)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "rank0.engine"]
    config = json.loads((out / "config.json").read_text())
    assert config["version"] == version(row)
    assert config["build_config"]["max_batch_size"] == 32
    (call,) = recorder.methods("from_hugging_face")
    assert call.symbol.startswith("tensorrt_llm.models.")
    (saved,) = recorder.methods("save") if minor(row) >= (0, 9) else [None]
    assert saved is None or saved.arguments == {"engine_dir": str(out)}


@pytest.mark.parametrize("row", ENGINE_ROWS)
def test_two_ranks_build_their_own_engines_on_their_own_gpus(tmp_path: Path, row: str) -> None:
    config = {"num_key_value_heads": 2}
    with library(row, strict_device=False) as recorder:
        out = build(tmp_path, "llama", config, ranks=2, tensor_parallel_degree=2)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "rank0.engine", "rank1.engine"]
    assert (out / "rank0.engine").read_bytes() != (out / "rank1.engine").read_bytes()
    mapping = json.loads((out / "config.json").read_text())["pretrained_config"]["mapping"]
    assert (mapping["world_size"], mapping["tp_size"]) == (2, 2)
    assert {call.arguments["device"] for call in recorder.of("torch.cuda", "set_device")} == {0, 1}
    assert len(recorder.methods("from_hugging_face")) == 2


CALIBRATED_ROWS = [row for row in ENGINE_ROWS if minor(row) >= (0, 10)]


@pytest.mark.parametrize("quantize", ["awq", "smoothquant", "fp8"])
@pytest.mark.parametrize("row", CALIBRATED_ROWS)
def test_a_calibrated_build_is_quantised_once_for_all_ranks(tmp_path: Path, row: str, quantize: str) -> None:
    with library(row, strict_device=False) as recorder:
        out = build(tmp_path, "llama", {"num_key_value_heads": 2}, ranks=2, quantize=quantize)
    (call,) = recorder.methods("quantize")
    assert "cnn_dailymail" in call.arguments["calib_dataset"]
    assert recorder.methods("from_hugging_face") == []
    assert sorted(load.arguments["rank"] for load in recorder.methods("from_checkpoint")) == [0, 1]
    quantised = json.loads((out / "config.json").read_text())["pretrained_config"]["quantization"]
    assert quantised["kv_cache_quant_algo"] == ("FP8" if quantize == "fp8" else None)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "rank0.engine", "rank1.engine"]


@pytest.mark.parametrize("quantize", ["int8", "int4"])
@pytest.mark.parametrize("row", [row for row in ENGINE_ROWS if minor(row) >= (0, 12)])
def test_weights_only_goes_through_the_conversion(tmp_path: Path, row: str, quantize: str) -> None:
    with library(row) as recorder:
        build(tmp_path, "mistral", quantize=quantize)
    (call,) = recorder.methods("from_hugging_face")
    assert call.arguments["quant_config"]["quant_algo"] == {"int8": "W8A16", "int4": "W4A16"}[quantize]
    assert recorder.methods("quantize") == []


def test_a_variant_reaches_modelopt_through_the_path(tmp_path: Path) -> None:
    with library("0.14.0") as recorder:
        build(tmp_path, "gpt2", quantize="smoothquant")
    (call,) = recorder.methods("quantize")
    assert "gpt2" in call.arguments["hf_model_dir"]
    assert call.arguments["gpt_variant"] == "gpt2"


@pytest.mark.parametrize("row", ["0.12.0", "0.14.0"])
def test_smoothquant_of_qwen_finds_every_file_it_opens(tmp_path: Path, row: str) -> None:
    with library(row):
        assert (build(tmp_path, "qwen2", quantize="smoothquant") / "rank0.engine").exists()


def test_plugins_are_set_on_a_fresh_config_of_their_own(tmp_path: Path) -> None:
    for number, tokens in enumerate((64, 32)):
        (tmp_path / str(number)).mkdir()
        with library("0.10.0"):
            out = build(
                tmp_path / str(number), "llama", tokens_per_block=tokens, enable_kv_cache_reuse=not number
            )
        plugins = json.loads((out / "config.json").read_text())["build_config"]["plugin_config"]
        assert (plugins["tokens_per_block"], plugins["use_paged_context_fmha"]) == (tokens, not number)


@pytest.mark.parametrize("row", ["0.8.0", "0.14.0", "1.2~"])
def test_the_type_of_the_logits_is_set_on_the_model(tmp_path: Path, row: str) -> None:
    with library(row):
        out = build(tmp_path, "llama", logits_dtype="fp16")
    assert json.loads((out / "config.json").read_text())["pretrained_config"]["logits_dtype"] == "float16"


def test_a_tied_model_is_built_where_the_library_alone_fails(tmp_path: Path) -> None:
    model = raw_families.write(tmp_path / "m", "qwen2", tie_word_embeddings=True)
    file = model.path / "model.safetensors"
    shapes = {name: shape for name, (_, shape, _) in raw_families.raw_checkpoints.tensors(file).items()}
    del shapes["lm_head.weight"]
    file.write_bytes(raw_families.raw_checkpoints.safetensors(shapes))
    out = tmp_path / "out"
    out.mkdir()
    with library("0.14.0"):
        trtllm_compile.build(model, said(), Solo(), out, Stages(), in_process)
    assert (out / "rank0.engine").exists()


@pytest.mark.parametrize(
    ("stage", "during"),
    [
        ("convert", "converting the weights"),
        ("build", "building the engine"),
        ("quantize", "calibrating and quantising"),
    ],
)
@pytest.mark.parametrize(("kind", "error"), [("raise", CompileError), ("oom", OutOfMemory)])
def test_errors_of_the_library_name_what_it_was_doing(
    tmp_path: Path, stage: str, during: str, kind: str, error: type[LoadError]
) -> None:
    options = {"quantize": "awq"} if stage == "quantize" else {}
    with library("0.14.0", faults=[{"stage": stage, "kind": kind}]), pytest.raises(error, match=during):
        build(tmp_path, "llama", **options)


def test_an_assertion_without_a_word_becomes_a_sentence(tmp_path: Path) -> None:
    def silent(**_: object) -> None:
        raise AssertionError

    with library("0.14.0"):
        from tensorrt_llm.models import MODEL_MAP

        MODEL_MAP["LlamaForCausalLM"] = type("Model", (), {"from_hugging_face": staticmethod(silent)})
        with pytest.raises(
            CompileError, match=r"my llama failed while converting.*without a message in silent \("
        ):
            build(tmp_path, "llama")


def test_a_class_that_is_not_there_is_named(tmp_path: Path) -> None:
    with library("0.14.0"):
        from tensorrt_llm.models import MODEL_MAP

        del MODEL_MAP["LlamaForCausalLM"]
        with pytest.raises(CompileError, match=r"0\.14\.0 has no class for LlamaForCausalLM"):
            build(tmp_path, "llama")


def test_an_engine_that_is_empty_is_no_success(tmp_path: Path) -> None:
    with library("0.14.0"):
        from tensorrt_llm import builder

        class Nothing:
            def save(self, engine_dir: str) -> None:
                Path(engine_dir, "rank0.engine").touch()

        builder.build = lambda model, build_config: Nothing()
        with pytest.raises(CompileError, match="left no engine for rank 0"):
            build(tmp_path, "llama")


def test_a_quantisation_that_left_a_rank_out_is_no_success(tmp_path: Path) -> None:
    def half(output_dir: str, **_: object) -> None:
        Path(output_dir, "config.json").write_text("{}")
        Path(output_dir, "rank0.safetensors").touch()

    with library("0.14.0"):
        from tensorrt_llm.models import MODEL_MAP

        MODEL_MAP["LlamaForCausalLM"] = type("Model", (), {"quantize": staticmethod(half)})
        with pytest.raises(LoadError, match="no weights for rank 1 of 2"):
            build(tmp_path, "llama", {"num_key_value_heads": 2}, ranks=2, quantize="awq")


def job(out: Path) -> Job:
    return Job(source="x", out=str(out), origin="my model", architecture="X", rank=0, arguments={})


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OutOfMemory("no room"), "memory", "no room"),
        (CompileError("no luck"), "build", "no luck"),
        (UnsupportedModel("not this"), "unsupported", "not this"),
        (OSError(28, "No space left on device"), "disk", "No space"),
        (ModuleNotFoundError("No module named 'modelopt'", name="modelopt"), "build", "the package modelopt"),
        (KeyError("x"), "build", "KeyError"),
    ],
)
def test_what_the_child_tells_its_parent(tmp_path: Path, error: BaseException, kind: str, words: str) -> None:
    found = build_child._failed(error, job(tmp_path))
    assert isinstance(found, Failed)
    assert found.kind == kind
    assert words in " ".join(found.problems)
