"""The directory that the library reads: links, and what has to differ."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.trtllm import scratch
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import UnsupportedModel
from djl_trtllm.model import checkpoint
from tests.support import raw_checkpoints
from tests.support.plans import Stages
from tests.support.raw_checkpoints import INTERNLM2, LLAMA, internlm2_shapes, llama_shapes


def read(directory: Path) -> Checkpoint:
    return checkpoint.read(directory, "my model")


def prepared(source: Path, out: Path, patch: Mapping[str, object] | None = None, **more: Any) -> Path:
    wanted = scratch.Wanted(read(source), patch or {}, more.pop("release", Release(0, 14)), **more)
    scratch.prepare(wanted, out, Stages())
    return out


def config_of(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / "config.json").read_text())
    return content


def index_of(directory: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((directory / "model.safetensors.index.json").read_text())["weight_map"]
    return found


def check_index(directory: Path) -> None:
    """Every tensor is in the file that the index says, and every file is named in it."""
    placed = index_of(directory)
    assert {name: set(raw_checkpoints.tensors(directory / name)) for name in set(placed.values())} == {
        file.name: set(raw_checkpoints.tensors(file)) for file in directory.glob("*.safetensors")
    }
    assert set(placed) == set(raw_checkpoints.all_tensors(directory))


def test_weights_are_links_and_the_config_is_patched(tmp_path: Path) -> None:
    source = raw_checkpoints.write(tmp_path / "m", LLAMA, llama_shapes())
    for name in ("tokenizer.json", "generation_config.json", "training_args.bin", "README.md"):
        (source / name).write_text("{}")
    made = prepared(source, tmp_path / "out", {"rope_theta": 5.0})
    assert (made / "model.safetensors").resolve() == (source / "model.safetensors").resolve()
    assert config_of(made) == {**LLAMA, "rope_theta": 5.0}
    assert {file.name for file in made.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
    }


def test_weights_beside_those_of_the_index_are_left_out(tmp_path: Path) -> None:
    shapes = llama_shapes()
    first = dict(list(shapes.items())[:3])
    rest = {name: shape for name, shape in shapes.items() if name not in first}
    source = raw_checkpoints.write(tmp_path / "m", LLAMA, first, rest)
    (source / "consolidated.safetensors").write_bytes(
        raw_checkpoints.safetensors({"tok_embeddings.weight": (2,)})
    )
    made = prepared(source, tmp_path / "out")
    assert len(list(made.glob("*.safetensors"))) == 2
    assert "tok_embeddings.weight" not in raw_checkpoints.all_tensors(made)


def test_pickled_weights_are_linked_and_nothing_else_that_ends_so(tmp_path: Path) -> None:
    source = raw_checkpoints.write(tmp_path / "m", LLAMA)
    for name in ("pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json", "training_args.bin"):
        (source / name).write_bytes(b"{}")
    made = prepared(source, tmp_path / "out")
    assert {file.name for file in made.iterdir()} == {
        "config.json",
        "pytorch_model-00001-of-00001.bin",
        "pytorch_model.bin.index.json",
    }


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("tie", [True, None])
@pytest.mark.parametrize(
    ("model_type", "architecture"), [("llama", "LlamaForCausalLM"), ("qwen2", "Qwen2ForCausalLM")]
)
def test_a_tied_head_is_written_out(
    tmp_path: Path, sharded: bool, tie: bool | None, model_type: str, architecture: str
) -> None:
    config = {**LLAMA, "model_type": model_type, "architectures": [architecture], "tie_word_embeddings": tie}
    if tie is None:
        del config["tie_word_embeddings"]
    shapes = llama_shapes(head=False)
    half = dict(list(shapes.items())[:5])
    rest = {name: shape for name, shape in shapes.items() if name not in half}
    source = raw_checkpoints.write(tmp_path / "m", config, *((half, rest) if sharded else (shapes,)))
    made = prepared(source, tmp_path / "out")
    before, after = raw_checkpoints.all_tensors(source), raw_checkpoints.all_tensors(made)
    assert after == {**before, "lm_head.weight": before["model.embed_tokens.weight"]}
    assert config_of(made)["tie_word_embeddings"] is False
    assert not (made / "model.safetensors").exists()
    check_index(made)
    links = [file for file in made.glob("*.safetensors") if file.is_symlink()]
    assert len(links) == 1 + sharded


def test_a_head_that_is_there_and_called_tied_is_no_longer_called_so(tmp_path: Path) -> None:
    source = raw_checkpoints.write(tmp_path / "m", {**LLAMA, "tie_word_embeddings": True}, llama_shapes())
    made = prepared(source, tmp_path / "out")
    assert config_of(made)["tie_word_embeddings"] is False
    assert raw_checkpoints.all_tensors(made) == raw_checkpoints.all_tensors(source)
    assert (made / "model.safetensors").is_symlink()


def test_a_family_whose_class_ties_by_itself_is_left_alone(tmp_path: Path) -> None:
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "tie_word_embeddings": True}
    source = raw_checkpoints.write(tmp_path / "m", config, {"wte.weight": (4, 2)})
    made = prepared(source, tmp_path / "out")
    assert config_of(made) == config
    assert (made / "model.safetensors").is_symlink()


def test_internlm2_becomes_a_llama(tmp_path: Path) -> None:
    shapes = internlm2_shapes(layers=2)
    first = dict(list(shapes.items())[:6])
    rest = {name: shape for name, shape in shapes.items() if name not in first}
    source = raw_checkpoints.write(tmp_path / "m", INTERNLM2, first, rest)
    made = prepared(source, tmp_path / "out")
    config = config_of(made)
    assert (config["model_type"], config["architectures"]) == ("llama", ["LlamaForCausalLM"])
    assert "model.layers.1.self_attn.q_proj.weight" in index_of(made)
    assert len(list(made.glob("*.safetensors"))) == 2
    check_index(made)


def test_progress_shows_how_far_the_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    class Percents:
        def stage(self, name: str, percent: float | None = None) -> None:
            if percent is not None:
                seen.append(percent)

    source = raw_checkpoints.write(tmp_path / "m", INTERNLM2, internlm2_shapes())
    scratch.prepare(scratch.Wanted(read(source), {}, Release(0, 14)), tmp_path / "out", Percents())
    assert seen == sorted(seen)
    assert seen[-1] == 100.0


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (INTERNLM2, "have to be renamed .* .safetensors"),
        ({**LLAMA, "tie_word_embeddings": True}, "completed by its output layer"),
    ],
)
def test_weights_that_have_to_be_written_anew_cannot_be_pickles(
    tmp_path: Path, config: dict[str, object], words: str
) -> None:
    source = raw_checkpoints.write(tmp_path / "m", config)
    (source / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UnsupportedModel, match=words):
        prepared(source, tmp_path / "out")


@pytest.mark.parametrize("code", [False, True])
def test_code_is_seen_only_where_it_is_trusted(tmp_path: Path, code: bool) -> None:
    source = raw_checkpoints.write(
        tmp_path / "m", {**LLAMA, "auto_map": {"AutoConfig": "c.C"}}, llama_shapes()
    )
    (source / "c.py").write_text("raise SystemExit")
    (source / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["c.T", None]}, "a": 1})
    )
    made = prepared(source, tmp_path / "out", code=code)
    assert ("auto_map" in config_of(made)) == code
    assert (made / "c.py").exists() == code
    tokenizer = json.loads((made / "tokenizer_config.json").read_text())
    assert tokenizer["a"] == 1
    assert ("auto_map" in tokenizer) == code


def test_another_tokenizer_takes_the_place_of_the_checkpoints(tmp_path: Path) -> None:
    source = raw_checkpoints.write(tmp_path / "m", LLAMA, llama_shapes())
    for name in ("tokenizer.json", "vocab.json"):
        (source / name).write_text("old")
    other = tmp_path / "t"
    other.mkdir()
    (other / "tokenizer.json").write_text("new")
    (other / "tokenizer_config.json").write_text("{}")
    made = prepared(source, tmp_path / "out", tokenizer=other)
    assert (made / "tokenizer.json").read_text() == "new"
    assert not (made / "vocab.json").exists()
    assert (made / "tokenizer_config.json").exists()


def test_the_first_release_is_told_the_rotary_base_in_its_own_word(tmp_path: Path) -> None:
    source = raw_checkpoints.write(tmp_path / "m", {**LLAMA, "rope_theta": 1e6}, llama_shapes())
    made = prepared(source, tmp_path / "out", {"rope_theta": 2e6}, release=Release(0, 8))
    assert config_of(made)["rotary_base"] == 2e6


@pytest.mark.parametrize("own", [None, '{"eos_token_id": 5}'])
def test_a_qwen_always_has_the_generation_config_that_its_smoothquant_opens(
    tmp_path: Path, own: str | None
) -> None:
    config = {**LLAMA, "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    source = raw_checkpoints.write(tmp_path / "m", config, llama_shapes())
    if own is not None:
        (source / "generation_config.json").write_text(own)
    made = prepared(source, tmp_path / "out")
    assert (made / "generation_config.json").read_text() == (own or "{}")
