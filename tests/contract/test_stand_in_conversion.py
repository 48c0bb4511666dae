"""The stand-in converts checkpoints as the library's own code was found to do."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.tensorrt_llm_stand_in import Recorder, installed
from tests.support import family_checkpoints as checkpoints

NEEDS: dict[str, dict[str, Any]] = {
    "gpt2": {"gpt_variant": "gpt2"},
    "gpt_bigcode": {"gpt_variant": "starcoder"},
    "starcoder2": {"gpt_variant": "starcoder2"},
    "chatglm": {"chatglm_version": "chatglm3"},
}
ENGINE_ROWS = ("0.12.0", "0.13.0", "0.14.0", "0.16.0", "0.17~", "0.21~", "1.0~", "1.2~", "1.3.0rc3")


class Library:
    """What the tests call of an installed row, in its own spelling."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def get(self, place: str, name: str) -> Any:
        return getattr(importlib.import_module(f"tensorrt_llm.{place}"), name)

    def convert(
        self, directory: Path, family: str, *, tp: int = 1, rank: int = 0, quant: Any = (), **others: Any
    ) -> Any:
        cls = self.get("models", "MODEL_MAP")[checkpoints.FAMILIES[family][0]]
        given: dict[str, Any] = {"hf_model_or_dir": str(directory), "dtype": "float16"}
        given["mapping"] = self.get("mapping", "Mapping")(world_size=tp, rank=rank, tp_size=tp)
        given["quant_config"] = self.get("models.modeling_utils", "QuantConfig")() if quant == () else quant
        return cls.from_hugging_face(**{**given, **others})

    def algorithm(self, name: str, **others: Any) -> Any:
        member = self.get("quantization", "QuantAlgo")[name]
        return self.get("models.modeling_utils", "QuantConfig")(quant_algo=member, **others)


@contextmanager
def library(row: str, **knobs: Any) -> Iterator[Library]:
    with installed(row, **knobs) as recorder:
        yield Library(recorder)


@pytest.fixture
def neutral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in whose path no family is named."""
    return tmp_path_factory.mktemp("m") / "c"


@pytest.mark.parametrize("row", ENGINE_ROWS)
def test_each_family_of_the_guide_converts(row: str, neutral: Path) -> None:
    with library(row) as lib:
        for number, family in enumerate(checkpoints.FAMILIES):
            if family == "internlm2":
                continue
            path = checkpoints.write(neutral / str(number), family)
            for rank in (0, 1):
                model = lib.convert(
                    path, family, tp=2, rank=rank, load_model_on_cpu=True, **NEEDS.get(family, {})
                )
                assert model.config.architecture == checkpoints.FAMILIES[family][0]
                assert model.config.to_dict()["mapping"]["rank"] == rank


def test_before_0_12_only_some_classes_convert(neutral: Path) -> None:
    path = checkpoints.write(neutral, "llama")
    with library("0.8.0") as lib:
        models = lib.get("models", "MODEL_MAP")
        assert (
            models["LlamaForCausalLM"].from_hugging_face(hf_model_dir=str(path), dtype="float16").config.dtype
            == "float16"
        )
        assert not hasattr(models["FalconForCausalLM"], "from_hugging_face")
    for row in ("0.9.0", "0.10.0"):
        with library(row) as lib:
            models = lib.get("models", "MODEL_MAP")
            assert models["LlamaForCausalLM"].from_hugging_face(hf_model_dir=str(path)) is not None
            with pytest.raises(NotImplementedError):
                models["GPTJForCausalLM"].from_hugging_face(hf_model_dir=str(path))


REFUSED: list[tuple[str, str, dict[str, Any], dict[str, Any], type[Exception]]] = [
    ("0.12.0", "internlm2", {}, {}, KeyError),
    ("0.14.0", "llama", {"tie_word_embeddings": True}, {}, AttributeError),
    ("0.12.0", "llama", {"tie_word_embeddings": True}, {}, AttributeError),
    ("0.14.0", "qwen2", {"tie_word_embeddings": True}, {}, AttributeError),
    ("0.12.0", "gpt2", {}, {}, AssertionError),
    ("0.12.0", "gpt2", {}, {"gpt_variant": "gpt-2"}, AssertionError),
    ("0.12.0", "gpt_bigcode", {"multi_query": False}, {"gpt_variant": "gpt2"}, RuntimeError),
    ("0.12.0", "gpt_bigcode", {}, {"gpt_variant": "santacoder"}, KeyError),
    ("0.12.0", "chatglm", {}, {}, AssertionError),
    ("0.12.0", "chatglm", {}, {"chatglm_version": "chatglm_6b"}, AssertionError),
    ("0.12.0", "chatglm", {}, {"chatglm_version": "chatglm"}, KeyError),
    ("0.12.0", "falcon", {"vocab_size": 65}, {"tp": 2}, AssertionError),
    ("0.12.0", "gptj", {"vocab_size": 65}, {"tp": 2}, AssertionError),
    ("0.12.0", "baichuan", {"vocab_size": 65}, {"tp": 2}, AssertionError),
    (
        "0.12.0",
        "chatglm",
        {"padded_vocab_size": 65},
        {"tp": 2, "chatglm_version": "chatglm3"},
        AssertionError,
    ),
    ("0.12.0", "llama", {}, {"rotary_base": 5e5}, TypeError),
    ("0.12.0", "qwen2", {}, {"rotary_base": 5e5}, TypeError),
    ("0.12.0", "gptj", {}, {"rotary_dim": 64}, TypeError),
    ("0.12.0", "llama", {}, {"quant": None}, AttributeError),
    ("0.12.0", "llama", {}, {"dtype": "fp16"}, ValueError),
    ("0.12.0", "llama", {}, {"tp": 3}, AssertionError),
    ("0.12.0", "internlm", {}, {"trust_remote_code": False}, ValueError),
    ("0.12.0", "llama", {"rope_scaling": {"type": "linear", "factor": 2}}, {}, ValueError),
    ("0.12.0", "llama", {"rope_scaling": {"type": "linear", "factor": 1.0}}, {}, ValueError),
    ("0.12.0", "llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, {}, ValueError),
    ("0.12.0", "llama", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, {}, ValueError),
    ("1.2~", "llama", {"rope_scaling": {"rope_type": "yarn", "factor": 8.0}}, {}, ValueError),
    ("0.13.0", "falcon", {}, {"load_by_shard": True}, TypeError),
]


@pytest.mark.parametrize(("row", "family", "config", "keywords", "error"), REFUSED)
def test_what_the_library_fails_on_fails(
    row: str,
    family: str,
    config: dict[str, Any],
    keywords: dict[str, Any],
    error: type[Exception],
    neutral: Path,
) -> None:
    original = {**config, "multi_query": True} if config.get("multi_query") is False else config
    path = checkpoints.write(neutral, family, **original)
    if original is not config:
        checkpoints.write(neutral, family, **config)
    with library(row) as lib, pytest.raises(error):
        lib.convert(path, family, **keywords)


def test_many_key_and_value_heads_do_not_fit_the_starcoder_variant(neutral: Path) -> None:
    path = checkpoints.write(neutral, "gpt_bigcode")
    (path / "model.safetensors").write_bytes(
        checkpoints.safetensors(
            {"transformer.wte.weight": (64, 16), "transformer.wpe.weight": (128, 16)} | WIDE
        )
    )
    with library("0.12.0") as lib, pytest.raises(RuntimeError, match="size mismatch"):
        lib.convert(path, "gpt_bigcode", gpt_variant="starcoder")


WIDE = {f"transformer.h.{layer}.attn.c_attn.weight": (48, 16) for layer in range(2)}


def test_qwen2_loads_tied_weights_while_transformers_does_it(neutral: Path) -> None:
    path = checkpoints.write(neutral, "qwen2", tie_word_embeddings=True)
    with library("0.13.0") as lib:
        assert lib.convert(path, "qwen2") is not None


def test_linear_scaling_and_newer_transformers(neutral: Path) -> None:
    path = checkpoints.write(neutral, "llama", rope_scaling={"type": "linear", "factor": 2.0}, rope_theta=5e5)
    with library("0.12.0") as lib:
        config = lib.convert(path, "llama").config.to_dict()
        assert (config["rotary_base"], config["rotary_scaling"]) == (5e5, {"type": "linear", "factor": 2.0})
    path = checkpoints.write(neutral, "llama", rope_scaling={"rope_type": "llama3", "factor": 8.0})
    with library("0.12.0", transformers=(4, 43)) as lib:
        assert lib.convert(path, "llama") is not None


def test_the_variant_is_guessed_from_the_whole_path(tmp_path: Path) -> None:
    path = checkpoints.write(tmp_path / "gpt2" / "c", "gpt2")
    with library("0.12.0") as lib:
        assert lib.convert(path, "gpt2").config.gpt_variant == "gpt2"
    wrong = checkpoints.write(tmp_path / "mystarcoder" / "c", "gpt2")
    with library("0.12.0") as lib, pytest.raises(RuntimeError):
        lib.convert(wrong, "gpt2")
    large = checkpoints.write(tmp_path / "GPT2" / "c", "gpt2")
    with library("0.12.0") as lib, pytest.raises(AssertionError):
        lib.convert(large, "gpt2")


def test_words_in_the_path_trip_llama(tmp_path: Path) -> None:
    for word in ("vila", "llava", "exaone"):
        path = checkpoints.write(tmp_path / f"my-{word}-7b", "llama")
        with library("0.12.0") as lib, pytest.raises(ModuleNotFoundError):
            lib.convert(path, "llama")


def test_unknown_keywords_are_kept_without_a_word(neutral: Path) -> None:
    path = checkpoints.write(neutral, "llama")
    with library("0.12.0") as lib:
        config = lib.convert(
            path, "llama", rotory_base=5e5, load_model_on_cpu=True, trust_remote_code=True
        ).config
        assert config.to_dict()["rotory_base"] == 5e5
        assert "load_model_on_cpu" not in config.to_dict()
        assert config.rotory_base == 5e5
    path = checkpoints.write(neutral, "gptj")
    with library("0.12.0") as lib:
        assert lib.convert(path, "gptj", load_model_on_cpu=True).config.to_dict()["load_model_on_cpu"] is True


def test_rotary_options_that_have_no_effect(neutral: Path) -> None:
    with library("0.12.0") as lib:
        path = checkpoints.write(neutral, "falcon", rope_theta=5e5)
        assert lib.convert(path, "falcon").config.to_dict()["rotary_base"] == 10000.0
        path = checkpoints.write(neutral, "chatglm", rope_ratio=4.0)
        config = lib.convert(path, "chatglm", chatglm_version="chatglm3", rotary_base=5e5).config.to_dict()
        assert (config["rope_ratio"], config["rotary_base"]) == (4.0, 10000.0)
        path = checkpoints.write(neutral, "gptj", rotary_dim=2)
        assert lib.convert(path, "gptj").config.to_dict()["rotary_dim"] == 2


def test_a_wrong_baichuan_version_is_alibi_without_a_word(neutral: Path) -> None:
    path = checkpoints.write(neutral, "baichuan")
    with library("0.12.0") as lib:
        kind = "position_embedding_type"
        assert lib.convert(path, "baichuan", model_version="v1_7b").config.to_dict()[kind] == "rope_gpt_neox"
        assert (
            lib.convert(path, "baichuan", model_version="v3_7b").config.to_dict()[kind] == "alibi_with_scale"
        )
        assert lib.convert(path, "baichuan").config.to_dict()[kind] == "alibi_with_scale"


def test_only_directories_are_taken(neutral: Path) -> None:
    with library("0.12.0") as lib:
        with pytest.raises(OSError, match="not a local folder"):
            lib.convert(Path("meta-llama/Llama-2-7b"), "llama")
        for model in (object(), neutral):
            with pytest.raises(TypeError):
                lib.convert(neutral, "llama", hf_model_or_dir=model)


def test_every_bin_file_is_taken_for_weights(neutral: Path) -> None:
    path = checkpoints.write(neutral, "llama")
    (path / "model.safetensors").unlink()
    with library("0.12.0") as lib:
        with pytest.raises(OSError, match="no file named"):
            lib.convert(path, "llama")
        (path / "pytorch_model.bin").write_bytes(b"PK")
        assert lib.convert(path, "llama") is not None
        (path / "training_args.bin").write_bytes(b"PK")
        with pytest.raises(AttributeError):
            lib.convert(path, "llama")


def test_missing_renamed_and_cut_tensors_fail(neutral: Path) -> None:
    path = checkpoints.write(neutral, "llama", without=("model.layers.1.mlp.up_proj.weight",))
    with library("0.12.0") as lib:
        with pytest.raises(KeyError):
            lib.convert(path, "llama")
        checkpoints.write(neutral, "llama")
        whole = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(whole[:-10])
        with pytest.raises(RuntimeError, match="Incomplete"):
            lib.convert(path, "llama")


def test_a_file_that_no_index_lists_is_seen_by_llama_alone(neutral: Path) -> None:
    head = checkpoints.safetensors({"lm_head.weight": (64, 16)})
    for family, row, seen in (
        ("llama", "0.12.0", True),
        ("qwen2", "0.14.0", True),
        ("qwen2", "0.12.0", False),
    ):
        path = checkpoints.write(neutral, family, without=("lm_head.weight",))
        (path / "extra.safetensors").write_bytes(head)
        with library(row) as lib:
            if seen:
                assert lib.convert(path, family) is not None
            else:
                with pytest.raises(KeyError):
                    lib.convert(path, family)


def test_ranks_have_other_weights(neutral: Path) -> None:
    from tests.contract.tensorrt_llm_stand_in.behaviours.registry import behind

    path = checkpoints.write(neutral, "llama")
    with library("0.12.0") as lib:
        digests = {behind(lib.convert(path, "llama", tp=2, rank=rank)).digest for rank in (0, 1)}
        assert len(digests) == 2


def test_where_transformers_puts_the_model_is_recorded(neutral: Path) -> None:
    path = checkpoints.write(neutral, "gpt2")
    with library("0.12.0") as lib:
        lib.convert(path, "gpt2", gpt_variant="gpt2")
        lib.convert(path, "gpt2", gpt_variant="gpt2", load_model_on_cpu=True)
        loads = lib.recorder.methods("from_pretrained")
        assert [call.arguments["device_map"] for call in loads] == ["auto", "cpu"]


def test_bfloat16_asks_for_a_gpu_on_two_families(neutral: Path) -> None:
    path = checkpoints.write(neutral, "falcon")
    with library("0.12.0", gpu=False) as lib:
        assert lib.convert(path, "falcon") is not None
        with pytest.raises(RuntimeError, match="NVIDIA"):
            lib.convert(path, "falcon", dtype="bfloat16")


@pytest.mark.parametrize("name", ["W4A16_AWQ", "FP8", "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN", "INT8"])
def test_algorithms_that_need_a_calibration_do_not_convert(name: str, neutral: Path) -> None:
    path = checkpoints.write(neutral, "llama")
    with library("0.12.0") as lib, pytest.raises(RuntimeError, match="act_scale"):
        lib.convert(path, "llama", quant=lib.algorithm(name))


def test_weight_only_converts(neutral: Path) -> None:
    path = checkpoints.write(neutral, "llama")
    with library("0.12.0") as lib:
        for name in ("W8A16", "W4A16"):
            config = lib.convert(path, "llama", quant=lib.algorithm(name)).config.to_dict()
            assert config["quantization"]["quant_algo"] == name
