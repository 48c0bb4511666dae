from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.errors import LoadError, ModelNotFound, UnsupportedModel
from djl_trtllm.model import hub, locate
from djl_trtllm.options.table import Options
from tests.support import engine_directories as engines
from tests.support.checkpoints import write
from tests.support.plans import Stages


def find(**options: object) -> Checkpoint | CompiledModel:
    return locate.locate(Options(**options), {}, Stages())  # type: ignore[arg-type]


def test_a_directory_is_found_absolute_and_relative_to_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    for options in (
        {"model_id": str(tmp_path / "weights")},
        {"model_id": "weights", "model_dir": str(tmp_path)},
        {"model_id": "./weights", "model_dir": "/nowhere"},
        {"model_dir": str(tmp_path / "weights")},
    ):
        found = find(**options)
        assert isinstance(found, Checkpoint)
        assert found.path == tmp_path / "weights"


def test_an_openvino_directory_needs_no_compiling(tmp_path: Path) -> None:
    for name in ("openvino_model.xml", "openvino_model.bin", "config.json"):
        (tmp_path / name).touch()
    found = find(model_id=str(tmp_path))
    assert isinstance(found, CompiledModel)
    assert (found.path, found.runtime) == (tmp_path, "openvino")


def test_engines_need_no_compiling(tmp_path: Path) -> None:
    found = find(model_id=str(engines.write(tmp_path, engines.config())))
    assert isinstance(found, CompiledModel)
    assert (found.path, found.runtime, found.text_path) == (tmp_path, "trtllm", tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/nowhere/at/all", "there is no such directory"),
        ("../escape", "there is no such directory"),
        ("a/b/c", "not a hub id"),
        ("own..er/name", "not a hub id"),
        ("two words", "not a hub id"),
        ("s3://bucket/model", "s3:// addresses are not read"),
        ("file:///etc", "file:// addresses are not read"),
        ("bad\x00name", "cannot be printed"),
        ("bad\nname", "cannot be printed"),
    ],
)
def test_names_that_mean_no_model(name: str, words: str) -> None:
    with pytest.raises(ModelNotFound, match=words) as caught:
        find(model_id=name)
    assert "option.model_id" in str(caught.value)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").touch()
    with pytest.raises(ModelNotFound, match="is a file"):
        find(model_id=str(tmp_path / "model.gguf"))


@pytest.mark.parametrize(
    ("files", "kind", "words"),
    [
        ([], ModelNotFound, "It is empty"),
        (["a.txt", "serving.properties"], ModelNotFound, r"It holds a\.txt, serving\.properties\."),
        (["a", "b", "c", "d", "e", "f"], ModelNotFound, "and more"),
        (["rank0.engine", "x.json"], UnsupportedModel, "has rank0.engine but no config.json"),
        (["tensorrt_llm/1/llama_float16_tp1_rank0.engine"], UnsupportedModel, "but no config.json"),
        (["model.Q4_1.gguf"], UnsupportedModel, "GGUF"),
        (["adapter_config.json", "adapter_model.safetensors"], UnsupportedModel, "LoRA adapter"),
    ],
)
def test_directories_without_a_checkpoint_say_what_they_hold(
    tmp_path: Path, files: list[str], kind: type[LoadError], words: str
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(kind, match=words):
        find(model_id=str(tmp_path))


def test_a_missing_model_directory() -> None:
    with pytest.raises(ModelNotFound, match="does not exist"):
        find(model_dir="/nowhere")


def test_pickles_and_code_follow_the_options(tmp_path: Path) -> None:
    write(tmp_path, model_type="strange", auto_map={}).joinpath("model.safetensors").rename(
        tmp_path / "model.bin"
    )
    with pytest.raises(UnsupportedModel, match="trust_remote_code"):
        find(model_id=str(tmp_path))
    with pytest.raises(UnsupportedModel, match="allow_pickle_weights"):
        find(model_id=str(tmp_path), trust_remote_code=True)
    assert isinstance(
        find(model_id=str(tmp_path), trust_remote_code=True, allow_pickle_weights=True), Checkpoint
    )


class Hub:
    """Stands in for downloads: remembers what was wanted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: list[tuple[str, str | None, list[str]]] = []

    def __call__(self, repo: str, revision: str | None, wanted: list[str], *others: object) -> Path:
        self.calls.append((repo, revision, wanted))
        return self.path


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    fake = Hub(write(tmp_path / "snapshot"))
    monkeypatch.setattr(hub, "download", fake)
    return fake


def test_a_hub_id_is_downloaded_with_its_revision(downloads: Hub) -> None:
    found = find(model_id="owner/name", revision="v1")
    assert isinstance(found, Checkpoint)
    assert found.origin == "owner/name@v1"
    ((repo, revision, wanted),) = downloads.calls
    assert (repo, revision) == ("owner/name", "v1")
    assert "*.safetensors" in wanted
    assert "*.bin" not in wanted
    assert "*.py" not in wanted


def test_code_is_downloaded_when_trusted_and_pickles_when_allowed_and_needed(downloads: Hub) -> None:
    find(model_id="gpt2", trust_remote_code=True, allow_pickle_weights=True)
    assert len(downloads.calls) == 1
    assert "*.py" in downloads.calls[0][2]
    (downloads.path / "model.safetensors").rename(downloads.path / "pytorch_model.bin")
    find(model_id="gpt2", allow_pickle_weights=True)
    assert "*.bin" in downloads.calls[-1][2]


def test_engines_are_downloaded_where_the_hub_has_them(downloads: Hub) -> None:
    engines.write(downloads.path, engines.config())
    (downloads.path / "model.safetensors").unlink()
    found = find(model_id="owner/engines")
    assert isinstance(found, CompiledModel)
    assert "*.engine" not in downloads.calls[0][2]
    assert "*.engine" in downloads.calls[-1][2]


def test_another_tokenizer_is_a_directory_or_on_the_hub(tmp_path: Path, downloads: Hub) -> None:
    def tokenizer(name: str | None) -> Path | None:
        return locate.tokenizer_directory(Options(tokenizer=name), {}, Stages())

    assert tokenizer(None) is None
    assert tokenizer(str(tmp_path)) == tmp_path
    assert tokenizer("owner/name") == downloads.path
    assert "*.safetensors" not in downloads.calls[0][2]
    with pytest.raises(ModelNotFound, match=r"option\.tokenizer"):
        tokenizer("/nowhere")
