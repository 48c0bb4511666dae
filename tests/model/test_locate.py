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
        ("file:///etc", "file:// addresses are not read"),
        ("https://user:hidden@host/model", "https:// addresses are not read"),
        ("s3://Bad_/../x", "no address in S3: what follows s3:// is no bucket's name"),
        ("s3://key:hidden@bucket/model", "no address in S3: .*Credentials do not belong there"),
        ("~nobody-here/model", "there is no such directory"),
        ("/" + "x" * 300, "there is no such directory"),
        ("bad\x00name", "cannot be printed"),
        ("bad\nname", "cannot be printed"),
    ],
)
def test_names_that_mean_no_model(name: str, words: str) -> None:
    with pytest.raises(ModelNotFound, match=words) as caught:
        find(model_id=name)
    assert "option.model_id" in str(caught.value)
    assert "hidden" not in str(caught.value)


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


class Downloads:
    """Stands in for the hub: a repository is a directory, and what was chosen of it is remembered."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: list[tuple[str, str | None, list[str]]] = []

    def __call__(self, repo: str, revision: str | None, choose: hub.Choice, *others: object) -> Path:
        self.calls.append((repo, revision, list(choose([path.name for path in self.path.iterdir()]))))
        return self.path


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Downloads:
    fake = Downloads(write(tmp_path / "snapshot"))
    monkeypatch.setattr(hub, "download", fake)
    return fake


def test_a_hub_id_is_downloaded_with_its_revision(downloads: Downloads) -> None:
    found = find(model_id="owner/name", revision="v1")
    assert isinstance(found, Checkpoint)
    assert found.origin == "owner/name@v1"
    assert downloads.calls == [("owner/name", "v1", ["config.json", "model.safetensors"])]


def test_another_tokenizer_is_a_directory_or_on_the_hub(tmp_path: Path, downloads: Downloads) -> None:
    def tokenizer(name: str | None) -> Path | None:
        return locate.tokenizer_directory(Options(tokenizer=name), {}, Stages())

    assert tokenizer(None) is None
    assert tokenizer(str(tmp_path)) == tmp_path
    with pytest.raises(ModelNotFound, match="has no tokenizer"):
        tokenizer("owner/name")
    (downloads.path / "tokenizer.json").touch()
    assert tokenizer("owner/name") == downloads.path
    assert downloads.calls[-1][2] == ["tokenizer.json"]
    with pytest.raises(ModelNotFound, match=r"option\.tokenizer"):
        tokenizer("/nowhere")


def test_two_models_in_one_directory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path)
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (tmp_path / name).touch()
    with caplog.at_level("INFO"):
        found = find(model_id=str(tmp_path))
    assert isinstance(found, CompiledModel)
    assert "the OpenVINO model is taken" in caplog.text
    engines.lmi(tmp_path, engines.config())
    with pytest.raises(UnsupportedModel, match="an OpenVINO model and TensorRT engines"):
        find(model_id=str(tmp_path))


def test_a_model_directory_of_each_kind(tmp_path: Path) -> None:
    """As SageMaker unpacks a model: beside serving.properties, and no option.model_id."""
    kinds = ("checkpoint", "repository", "flat", "openvino")
    for kind in kinds:
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "serving.properties").touch()
    write(tmp_path / "checkpoint")
    engines.lmi(tmp_path / "repository", engines.config())
    engines.write(tmp_path / "flat", engines.config())
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (tmp_path / "openvino" / name).touch()
    found = {kind: find(model_dir=str(tmp_path / kind)) for kind in kinds}
    assert isinstance(found["checkpoint"], Checkpoint)
    assert {kind: model.path.relative_to(tmp_path).as_posix() for kind, model in found.items()} == {
        "checkpoint": "checkpoint",
        "repository": "repository/llama/1",
        "flat": "flat",
        "openvino": "openvino",
    }
    runtimes = [model.runtime for model in found.values() if isinstance(model, CompiledModel)]
    assert runtimes == ["trtllm", "trtllm", "openvino"]


def test_a_directory_of_links_is_read_where_they_point(tmp_path: Path) -> None:
    """As the hub's own cache lays out a snapshot."""
    write(tmp_path / "blobs")
    (tmp_path / "snapshot").mkdir()
    for path in (tmp_path / "blobs").iterdir():
        (tmp_path / "snapshot" / path.name).symlink_to(path)
    assert isinstance(find(model_id=str(tmp_path / "snapshot")), Checkpoint)
    (tmp_path / "snapshot" / "model.safetensors").unlink()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to(tmp_path / "gone")
    with pytest.raises(ModelNotFound, match=r"model\.safetensors cannot be read .*Copy or download it again"):
        find(model_id=str(tmp_path / "snapshot"))
