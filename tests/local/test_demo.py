"""The demo model out of its package: every weight in place, the tokenizer exact, published whole or not at all."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from djl_trtllm.errors import CompileError, ModelNotFound
from djl_trtllm.local import demo
from djl_trtllm.model import checkpoint, families
from tests.support.plans import Stages


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    stages = Stages()
    root = tmp_path_factory.mktemp("cache")
    made = demo.checkpoint(root, stages)
    assert stages.names[0] == "converting the demo model"
    yield made
    (made / "model.safetensors").unlink()


def test_it_is_a_whole_llama_checkpoint(model: Path) -> None:
    found = checkpoint.read(model, "demo")
    checkpoint.check_weights(found, allow_pickle=False)
    assert families.family(found).model_type == "llama"
    assert families.max_positions(found.config) == 8192
    assert found.config["tie_word_embeddings"] is True
    assert found.config["rms_norm_eps"] == 1e-5
    with (model / "model.safetensors").open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    shapes = {name: tensor["shape"] for name, tensor in header.items() if name != "__metadata__"}
    assert len(shapes) == 2 + 30 * 9
    assert shapes["model.embed_tokens.weight"] == [49152, 576]
    assert shapes["model.layers.29.self_attn.k_proj.weight"] == [192, 576]
    assert shapes["model.layers.0.mlp.down_proj.weight"] == [576, 1536]


def test_the_tokenizer_is_the_models_own(model: Path) -> None:
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == 49152
    # The ids of the model's published tokenizer.
    assert tokenizer.encode("Once upon a time").ids == [6403, 1980, 253, 655]
    assert tokenizer.encode("Hello 123 world").ids == [19556, 216, 33, 34, 35, 905]
    assert tokenizer.encode("<|im_start|>user").ids[0] == 1
    for text in ("naïve café 日本語 🙂", "  two\n\n\ttabs", "x = {'a': 1234567890}"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert "<|im_start|>" in json.loads((model / "tokenizer_config.json").read_text())["chat_template"]


def test_the_second_call_finds_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_weights", lambda: pytest.fail("it is there already"))
    assert demo.checkpoint(model.parents[1], Stages()) == model


def test_without_its_packages_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_PACKAGE", "no_such_package")
    with pytest.raises(ModelNotFound, match=r"djl-trtllm\[demo\]"):
        demo.checkpoint(tmp_path, Stages())


def test_a_broken_file_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF nothing")
    monkeypatch.setattr(demo, "_weights", lambda: tmp_path / "broken.gguf")
    with pytest.raises(CompileError, match="could not be converted"):
        demo.checkpoint(tmp_path / "cache", Stages())
    assert [path.name for path in (tmp_path / "cache" / "demo").iterdir()] == ["lock"]


def test_a_directory_that_cannot_be_written_is_named() -> None:
    with pytest.raises(CompileError, match=r"/sys/none.*option\.cache_dir"):
        demo.checkpoint(Path("/sys/none"), Stages())


def test_a_killed_conversion_is_made_again(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from djl_trtllm.local import demo;"
        "from tests.support.plans import Stages;"
        "Stages.stage = lambda self, name, percent=None: print(percent, flush=True);"
        "demo.checkpoint(Path(sys.argv[1]), Stages())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "0.0\n"
        first.kill()
    assert not (tmp_path / "demo" / demo.NAME).exists()
    made = demo.checkpoint(tmp_path, Stages())
    checkpoint.check_weights(checkpoint.read(made, "demo"), allow_pickle=False)
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [demo.NAME, "lock"]
