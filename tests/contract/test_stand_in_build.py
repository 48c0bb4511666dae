"""The stand-in quantises, builds and saves as the library does, and fails where a test wants it to."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.tensorrt_llm_stand_in import Recorder, installed
from tests.contract.tensorrt_llm_stand_in.engine_directory import RankFile
from tests.support import family_checkpoints as checkpoints

SMOOTHQUANT = "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN"


class Library:
    """What the tests call of an installed row."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def get(self, place: str, name: str) -> Any:
        return getattr(importlib.import_module(f"tensorrt_llm.{place}"), name)

    def mapping(self, world: int = 1, rank: int = 0) -> Any:
        return self.get("mapping", "Mapping")(world_size=world, rank=rank, tp_size=world)

    def quant(self, name: str | None = None, **others: Any) -> Any:
        member = None if name is None else self.get("quantization", "QuantAlgo")[name]
        return self.get("models.modeling_utils", "QuantConfig")(quant_algo=member, **others)

    def cls(self, family: str) -> Any:
        return self.get("models", "MODEL_MAP")[checkpoints.FAMILIES[family][0]]

    def model(self, path: Path, family: str = "llama", world: int = 1, rank: int = 0, **others: Any) -> Any:
        given = {"mapping": self.mapping(world, rank), "quant_config": self.quant(), **others}
        return self.cls(family).from_hugging_face(hf_model_or_dir=str(path), dtype="float16", **given)

    def quantize(
        self, path: Path, out: Path, algorithm: str | None, family: str = "llama", **others: Any
    ) -> None:
        given = {"quant_config": self.quant(algorithm), "mapping": self.mapping(), **others}
        self.cls(family).quantize(hf_model_dir=str(path), output_dir=str(out), dtype="float16", **given)

    def limits(self, **others: Any) -> Any:
        given = {
            "max_input_len": 64,
            "max_seq_len": 128,
            "max_batch_size": 4,
            "max_num_tokens": 256,
            **others,
        }
        return self.get("builder", "BuildConfig")(**given)

    def build(self, model: Any, build_config: Any = None) -> Any:
        given = self.limits() if build_config is None else build_config
        return self.get("builder", "build")(model=model, build_config=given)


@contextmanager
def library(row: str = "0.12.0", **knobs: Any) -> Iterator[Library]:
    with installed(row, **knobs) as recorder:
        yield Library(recorder)


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    return checkpoints.write(tmp_path / "c", "llama")


@pytest.fixture
def text(tmp_path: Path) -> str:
    return str(checkpoints.calibration(tmp_path / "cnn_dailymail"))


@pytest.mark.parametrize("row", ["0.12.0", "0.16.0", "1.2~"])
def test_smoothquant_writes_every_rank(row: str, llama: Path, text: str, tmp_path: Path) -> None:
    with library(row, strict_device=False) as lib:
        lib.quantize(llama, tmp_path / "q", SMOOTHQUANT, mapping=lib.mapping(2), calib_dataset=text)
        assert sorted(p.name for p in (tmp_path / "q").iterdir()) == [
            "config.json",
            "rank0.safetensors",
            "rank1.safetensors",
        ]
        for rank in (0, 1):
            model = lib.cls("llama").from_checkpoint(ckpt_dir=str(tmp_path / "q"), rank=rank)
            lib.build(model).save(engine_dir=str(tmp_path / "e"))
        with pytest.raises(ValueError, match="rank 2"):
            lib.cls("llama").from_checkpoint(ckpt_dir=str(tmp_path / "q"), rank=2)
    config = json.loads((tmp_path / "e" / "config.json").read_text())
    assert config["pretrained_config"]["quantization"]["quant_algo"] == SMOOTHQUANT
    digests = {
        RankFile.decode((tmp_path / "e" / f"rank{rank}.engine").read_bytes()).digest for rank in (0, 1)
    }
    assert len(digests) == 2


REFUSED: list[tuple[str, str, str | None, type[Exception], bool]] = [
    ("0.12.0", "mixtral", SMOOTHQUANT, KeyError, True),
    ("0.12.0", "gptj", SMOOTHQUANT, ValueError, False),
    ("0.12.0", "falcon", SMOOTHQUANT, ValueError, False),
    ("0.12.0", "llama", "W8A16", ValueError, False),
    ("0.12.0", "llama", "W4A16", ValueError, False),
    ("0.12.0", "llama", None, ValueError, False),
    ("0.14.0", "qwen2", SMOOTHQUANT, OSError, True),
]


@pytest.mark.parametrize(("row", "family", "algorithm", "error", "leaves"), REFUSED)
def test_pairs_that_cannot_be_quantised(
    row: str,
    family: str,
    algorithm: str | None,
    error: type[Exception],
    leaves: bool,
    text: str,
    tmp_path: Path,
) -> None:
    path = checkpoints.write(tmp_path / "c", family)
    with library(row) as lib, pytest.raises(error):
        lib.quantize(path, tmp_path / "q", algorithm, family, calib_dataset=text)
    assert (tmp_path / "q" / "config.json").exists() is leaves


def test_native_calibration_needs_its_rows(llama: Path, tmp_path: Path) -> None:
    few = str(checkpoints.calibration(tmp_path / "cnn_dailymail", 511))
    glm = checkpoints.write(tmp_path / "g", "chatglm")
    with library() as lib:
        with pytest.raises(IndexError):
            lib.quantize(llama, tmp_path / "q", SMOOTHQUANT, calib_dataset=few)
        assert (tmp_path / "q" / "config.json").exists()
        lib.quantize(
            glm, tmp_path / "r", SMOOTHQUANT, "chatglm", calib_dataset=few, chatglm_version="chatglm3"
        )
        lib.quantize(llama, tmp_path / "s", "W4A16_AWQ", calib_dataset=few)


def test_calibration_sets_that_no_loader_takes(llama: Path, tmp_path: Path) -> None:
    other = str(checkpoints.calibration(tmp_path / "other"))
    bare = str(checkpoints.calibration(tmp_path / "cnn_dailymail_bare", readme=False))
    short = checkpoints.calibration(tmp_path / "cnn_dailymail_short")
    (short / "train.jsonl").write_text('{"article": "a"}\n' * 512)
    wrong = [
        ("cnn_dailymail", ConnectionError),
        (other, NotImplementedError),
        (bare, ValueError),
        (str(short), KeyError),
    ]
    with library() as lib:
        for dataset, error in wrong:
            for algorithm in (SMOOTHQUANT, "W4A16_AWQ"):
                with pytest.raises(error):
                    lib.quantize(llama, tmp_path / "q", algorithm, calib_dataset=dataset)


def test_quantize_runs_on_rank_0_with_a_gpu(llama: Path, text: str, tmp_path: Path) -> None:
    with library() as lib:
        with pytest.raises(AssertionError, match="rank 0"):
            lib.quantize(llama, tmp_path / "q", SMOOTHQUANT, mapping=lib.mapping(2, 1), calib_dataset=text)
        assert (tmp_path / "q" / "config.json").exists()
        with pytest.raises(TypeError):
            lib.quantize(llama, tmp_path / "q", SMOOTHQUANT, calib_batches="32")
    with library(gpu=False) as lib:
        for algorithm in (SMOOTHQUANT, "W4A16_AWQ"):
            with pytest.raises(RuntimeError, match="NVIDIA"):
                lib.quantize(llama, tmp_path / "q", algorithm, calib_dataset=text)


def test_awq_writes_an_fp8_cache_at_0_14(llama: Path, text: str, tmp_path: Path) -> None:
    caches = {}
    for row in ("0.12.0", "0.14.0", "0.16.0"):
        with library(row) as lib:
            lib.quantize(llama, tmp_path / row, "W4A16_AWQ", calib_dataset=text)
        caches[row] = json.loads((tmp_path / row / "config.json").read_text())["quantization"][
            "kv_cache_quant_algo"
        ]
    assert caches == {"0.12.0": None, "0.14.0": "FP8", "0.16.0": None}
    with library("0.14.0") as lib, pytest.raises(RuntimeError, match="FP8"):
        lib.build(lib.cls("llama").from_checkpoint(ckpt_dir=str(tmp_path / "0.14.0"), rank=0))


def test_modelopt_forgets_the_variant(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    neutral = tmp_path_factory.mktemp("m")
    path = checkpoints.write(neutral / "c", "gpt2")
    named = checkpoints.write(neutral / "gpt2", "gpt2")
    with library() as lib:
        with pytest.raises(AssertionError):
            lib.quantize(path, neutral / "q", "W4A16_AWQ", "gpt2", calib_dataset=text, gpt_variant="gpt2")
        lib.quantize(named, neutral / "q", "W4A16_AWQ", "gpt2", calib_dataset=text)


def test_what_a_quantisation_needs_is_told_by_its_config() -> None:
    with library() as lib:
        assert lib.quant(SMOOTHQUANT).requires_calibration
        assert not lib.quant(SMOOTHQUANT).requires_modelopt_quantization
        assert lib.quant("W4A16_AWQ").requires_modelopt_quantization
        assert not lib.quant("W8A16").requires_calibration
        config = lib.quant("FP8", group_size=64)
        assert type(config).from_dict(config=config.to_dict()) == config


def test_the_limits_are_settled_without_a_word(llama: Path) -> None:
    with library() as lib:
        limits = lib.limits(max_input_len=500, max_batch_size=48, max_num_tokens=None)
        built = lib.build(lib.model(llama), limits).config.to_dict()["build_config"]
        assert (built["max_input_len"], built["max_seq_len"], built["max_num_tokens"]) == (128, 128, 48 * 128)
    with library("1.2~") as lib:
        built = lib.build(lib.model(llama), lib.limits(max_seq_len=None)).config.to_dict()["build_config"]
        assert built["max_seq_len"] == 128


def test_an_engine_directory_round_trips(llama: Path, tmp_path: Path) -> None:
    with library(strict_device=False) as lib:
        for rank in (1, 0):
            (tmp_path / "e" / "lora").mkdir(parents=True, exist_ok=True)
            limits = lib.limits()
            limits.plugin_config.gemm_plugin = "auto"
            limits.plugin_config.use_paged_context_fmha = True
            lib.build(lib.model(llama, world=2, rank=rank), limits).save(engine_dir=str(tmp_path / "e"))
            assert (tmp_path / "e" / "config.json").exists() is (rank == 0)
        assert sorted(p.name for p in (tmp_path / "e").iterdir()) == [
            "config.json",
            "rank0.engine",
            "rank1.engine",
        ]
        engine = lib.get("builder", "Engine").from_dir(engine_dir=str(tmp_path / "e"), rank=1)
        assert engine.config.pretrained_config.to_dict()["mapping"]["rank"] == 1
        assert engine.engine == (tmp_path / "e" / "rank1.engine").read_bytes()
        assert lib.get("builder", "get_engine_version")(engine_dir=str(tmp_path / "e")) == "0.12.0"
    config = json.loads((tmp_path / "e" / "config.json").read_text())
    assert config["build_config"]["plugin_config"]["use_paged_context_fmha"] is True
    assert config["pretrained_config"]["mapping"]["tp_size"] == 2


def test_before_0_9_a_model_is_built_by_the_command(llama: Path, tmp_path: Path) -> None:
    with library("0.8.0") as lib:
        model = lib.cls("llama").from_hugging_face(hf_model_dir=str(llama), dtype="float16")
        limits = lib.get("builder", "BuildConfig")(max_input_len=64, max_output_len=64, max_batch_size=4)
        engine = lib.get("commands.build", "build_model")(model=model, build_config=limits)
        engine.save(engine_dir=str(tmp_path / "e"))
    assert json.loads((tmp_path / "e" / "config.json").read_text())["pretrained_config"]["world_size"] == 1


def test_before_0_9_every_rank_is_rank_0_until_it_is_told(llama: Path, tmp_path: Path) -> None:
    with library("0.8.0", strict_device=False) as lib:
        for told in (False, True):
            mapping = lib.mapping(2, 1)
            model = lib.cls("llama").from_hugging_face(
                hf_model_dir=str(llama), dtype="float16", mapping=mapping
            )
            if told:
                model.config.set_rank(rank=1)
            limits = lib.get("builder", "BuildConfig")(max_input_len=64, max_output_len=64)
            engine = lib.get("commands.build", "build_model")(model=model, build_config=limits)
            engine.save(engine_dir=str(tmp_path / str(told)))
    assert (tmp_path / "False" / "rank0.engine").exists()
    assert (tmp_path / "True" / "rank1.engine").exists()


def test_what_was_set_on_the_config_shows_in_the_engine(llama: Path, tmp_path: Path) -> None:
    with library() as lib:
        model = lib.model(llama, rotory_base=5e5)
        model.config.another = 1
        lib.build(model).save(engine_dir=str(tmp_path / "e"))
    config = json.loads((tmp_path / "e" / "config.json").read_text())["pretrained_config"]
    assert (config["rotory_base"], config["another"]) == (5e5, 1)


def test_a_model_is_built_once(llama: Path) -> None:
    with library() as lib:
        model = lib.model(llama)
        lib.build(model)
        with pytest.raises(RuntimeError, match="already"):
            lib.build(model)


def test_plugins_as_a_dict_stay_a_dict_until_pydantic(llama: Path) -> None:
    with library() as lib:
        limits = lib.limits(plugin_config={"gemm_plugin": "auto"})
        assert limits.plugin_config == {"gemm_plugin": "auto"}
        with pytest.raises(AttributeError, match="dict"):
            lib.build(lib.model(llama), limits)
    with library("1.2~") as lib:
        assert lib.limits(plugin_config={"gemm_plugin": "auto"}).plugin_config.gemm_plugin == "auto"


def test_plugins_from_a_dict_lose_unknown_names(llama: Path) -> None:
    with library() as lib:
        plugins = lib.get("plugin", "PluginConfig").from_dict(
            config={"gemm_plugin": "auto", "multi_block_mode": True}
        )
        assert "multi_block_mode" not in plugins.to_dict()
        assert plugins.gemm_plugin == "auto"


def test_up_to_0_10_plugins_name_the_type(llama: Path) -> None:
    with library("0.10.0") as lib:

        def built(**plugins: str) -> dict[str, Any]:
            model = lib.cls("llama").from_hugging_face(hf_model_dir=str(llama), dtype="bfloat16")
            config = lib.get("plugin", "PluginConfig")(**plugins)
            limits = lib.get("builder", "BuildConfig")(
                max_input_len=64, max_output_len=64, plugin_config=config
            )
            return dict(lib.build(model, limits).config.to_dict()["build_config"]["plugin_config"])

        with pytest.raises(KeyError, match="auto"):
            built(gemm_plugin="auto")
        with pytest.raises(RuntimeError, match="gpt_attention_plugin"):
            built(gemm_plugin="bfloat16")
        assert built(gemm_plugin="bfloat16", gpt_attention_plugin="bfloat16")["gemm_plugin"] == "bfloat16"


def test_the_setters_of_older_plugin_configs() -> None:
    with library("0.10.0") as lib:
        config = lib.get("plugin", "PluginConfig")()
        config.set_gemm_plugin(dtype="bfloat16").set_paged_context_fmha()
        config.update_from_dict(config={"tokens_per_block": 32})
        assert (config.gemm_plugin, config.use_paged_context_fmha, config.tokens_per_block) == (
            "bfloat16",
            True,
            32,
        )
        with pytest.raises(NotImplementedError):
            config.enable_qk_half_accum()


@pytest.mark.parametrize("size", [7, "64", 4, 48])
def test_block_sizes_are_taken_and_fail_later(size: object, llama: Path) -> None:
    with library() as lib:
        limits = lib.limits()
        limits.plugin_config.tokens_per_block = size
        with pytest.raises(RuntimeError, match="tokens_per_block"):
            lib.build(lib.model(llama), limits)


def test_learned_positions_end(tmp_path: Path) -> None:
    path = checkpoints.write(tmp_path / "c", "gpt2")
    with library() as lib, pytest.raises(AssertionError, match="max_position_embeddings"):
        lib.build(lib.model(path, "gpt2", gpt_variant="gpt2"), lib.limits(max_seq_len=256))


def test_fp8_needs_a_gpu_that_has_it(llama: Path, text: str, tmp_path: Path) -> None:
    for gpu, works in (({"name": "NVIDIA A10G", "capability": "8.6"}, False), ("NVIDIA L4", True)):
        with library(gpu=gpu) as lib:
            lib.quantize(llama, tmp_path / "q", "FP8", calib_dataset=text)
            model = lib.cls("llama").from_checkpoint(ckpt_dir=str(tmp_path / "q"), rank=0)
            if works:
                assert lib.build(model) is not None
            else:
                with pytest.raises(RuntimeError, match="FP8"):
                    lib.build(model)


def test_each_rank_builds_on_its_own_gpu(llama: Path) -> None:
    with library() as lib, pytest.raises(RuntimeError, match="set_device"):
        lib.build(lib.model(llama, world=2, rank=1))
    with library(gpu=False) as lib, pytest.raises(RuntimeError, match="CUDA"):
        lib.build(lib.model(llama))


STAGES = ("convert", "quantize", "load", "build", "save")


@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_happens_at_its_stage_and_rank(stage: str, llama: Path, text: str, tmp_path: Path) -> None:
    def everything(lib: Library) -> None:
        lib.model(llama)
        lib.quantize(llama, tmp_path / "q", SMOOTHQUANT, calib_dataset=text)
        lib.build(lib.cls("llama").from_checkpoint(ckpt_dir=str(tmp_path / "q"), rank=0)).save(
            engine_dir=str(tmp_path / "e")
        )

    with library(faults=[{"stage": stage, "kind": "raise", "rank": 1}]) as lib:
        everything(lib)
    fault = {"stage": stage, "kind": "raise", "rank": 0, "message": "broken"}
    with library(faults=[fault]) as lib, pytest.raises(RuntimeError, match="broken"):
        everything(lib)
    with (
        library(faults=[{"stage": stage, "kind": "oom"}]) as lib,
        pytest.raises(RuntimeError, match="out of memory"),
    ):
        everything(lib)


def test_a_save_that_fails_leaves_half_a_file(llama: Path, tmp_path: Path) -> None:
    with library(faults=[{"stage": "save", "kind": "raise"}]) as lib:
        engine = lib.build(lib.model(llama))
        with pytest.raises(RuntimeError):
            engine.save(engine_dir=str(tmp_path / "e"))
    with pytest.raises(ValueError):
        RankFile.decode((tmp_path / "e" / "rank0.engine").read_bytes())
