from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from djl_trtllm.errors import ModelNotFound
from djl_trtllm.model import hub as model_hub
from tests.support import hub
from tests.support.checkpoints import safetensors
from tests.support.plans import Stages

HUB = tuple(map(int, huggingface_hub.__version__.split(".")[:2]))
CONFIG = b'{"model_type": "llama"}'
FILES = {
    "config.json": CONFIG,
    "model.safetensors": safetensors(),
    "tokenizer.json": b"{}",
    "README.md": b"read me",
    "modeling_x.py": b"raise SystemExit",
    "pytorch_model.bin": b"a pickle",
    "onnx/model.onnx": b"onnx",
}
WANTED = ["config.json", "model.safetensors", "tokenizer.json"]


@pytest.fixture(scope="module")
def running() -> Iterator[hub.Hub]:
    with hub.server() as server:
        yield server


@pytest.fixture(scope="module")
def client(running: hub.Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[hub.Client]:
    """One process for all; repositories have names of their own."""
    process = hub.Client(running.url, tmp_path_factory.mktemp("hub"))
    yield process
    process.close()


def blobs(client: hub.Client, name: str) -> Path:
    return client.cache / f"models--{name.replace('/', '--')}"


def test_only_the_needed_files_are_asked_for_and_once(running: hub.Hub, client: hub.Client) -> None:
    running.add("o/plain", FILES)
    found, error = client.locate(model_id="o/plain")
    assert (error, found is not None) == ("", True)
    assert found is not None
    assert sorted(path.name for path in found.iterdir()) == WANTED
    assert sorted(running.fetched("o/plain")) == [(name, "") for name in WANTED]
    begun = blobs(client, "o/plain") / "djl_trtllm.begun"
    assert not begun.exists()
    begun.touch()  # of a process that was killed when all had arrived
    again, _ = client.locate(model_id="o/plain")
    assert again == found
    assert not begun.exists()
    assert len(running.fetched("o/plain")) == 3
    trusted, _ = client.locate(model_id="o/plain", trust_remote_code=True)
    assert trusted is not None
    assert (trusted / "modeling_x.py").exists()
    assert not (trusted / "pytorch_model.bin").exists()


def test_a_revision_and_one_that_moved(running: hub.Hub, client: hub.Client) -> None:
    running.add("o/moves", FILES)
    running.add("o/moves", {**FILES, "tokenizer.json": b'{"v": 1}'}, revision="v1")
    found, _ = client.locate(model_id="o/moves", revision="v1")
    assert found is not None
    assert (found / "tokenizer.json").read_bytes() == b'{"v": 1}'
    running.add("o/moves", {**FILES, "tokenizer.json": b'{"v": 2}'}, revision="v1")
    found, _ = client.locate(model_id="o/moves", revision="v1")
    assert found is not None
    assert (found / "tokenizer.json").read_bytes() == b'{"v": 2}'
    assert [name for name, _ in running.fetched("o/moves")].count("model.safetensors") == 1
    assert "o/moves has no revision 'v9'. Check option.revision." in client.locate(
        model_id="o/moves", revision="v9"
    )


def test_a_connection_that_breaks_goes_on_where_it_broke(running: hub.Hub, client: hub.Client) -> None:
    weights = safetensors(width=3 << 20)  # huggingface_hub writes 10 MiB at a time
    running.add("o/breaks", {"config.json": CONFIG, "model.safetensors": weights})
    running.cuts["model.safetensors"] = 11 << 20
    found, error = client.locate(model_id="o/breaks")
    if HUB < (1, 0):  # over requests the next start goes on, and before 0.23 it begins anew
        assert "could not be fetched, because the hub cannot be reached from here" in error
        found, _ = client.locate(model_id="o/breaks")
    assert found is not None
    assert (found / "model.safetensors").read_bytes() == weights
    spans = [span for name, span in running.fetched("o/breaks") if name == "model.safetensors"]
    assert spans == ["", f"bytes={10 << 20}-" if HUB >= (0, 23) else ""]


def test_a_repository_that_is_refused(running: hub.Hub, client: hub.Client) -> None:
    running.add("o/gated", FILES).refuses = 403
    assert (
        "o/gated is gated. Accept its terms on the hub and set HF_TOKEN"
        in client.locate(model_id="o/gated")[1]
    )
    running.add("o/gated", FILES).refuses = 401
    assert "is gated" in client.locate(model_id="o/gated")[1]
    running.add("o/hidden", FILES).hidden = True
    for name in ("o/hidden", "o/nowhere"):
        said = client.locate(model_id=name)[1]
        assert f"The hub has no model {name}, or it is private. Check option.model_id" in said
    assert "Check option.tokenizer" in client.locate(tokenizer="o/nowhere")[1]


def test_a_hub_that_is_broken(running: hub.Hub, client: hub.Client) -> None:
    running.add("o/broken", FILES).refuses = 418
    assert (
        "o/broken could not be fetched: the hub answered 418. What has arrived is kept"
        in client.locate(model_id="o/broken")[1]
    )


def test_pickles_and_what_is_no_model(running: hub.Hub, client: hub.Client) -> None:
    running.add("o/pickles", {name: FILES[name] for name in ("config.json", "pytorch_model.bin")})
    assert "option.allow_pickle_weights" in client.locate(model_id="o/pickles")[1]
    assert running.fetched("o/pickles") == []
    found, _ = client.locate(model_id="o/pickles", allow_pickle_weights=True)
    assert found is not None
    assert (found / "pytorch_model.bin").exists()
    running.add("o/gguf", {"model.gguf": b"gguf"})
    assert "GGUF" in client.locate(model_id="o/gguf")[1]


def test_a_tokenizer_alone(running: hub.Hub, client: hub.Client) -> None:
    running.add("o/tokenizer", FILES)
    found, _ = client.locate(tokenizer="o/tokenizer")
    assert found is not None
    assert [path.name for path in found.iterdir()] == ["tokenizer.json"]
    running.add("o/none", {"config.json": CONFIG})
    assert "option.tokenizer='o/none' has no tokenizer" in client.locate(tokenizer="o/none")[1]


def test_a_file_whose_name_is_a_pattern(running: hub.Hub, client: hub.Client) -> None:
    running.add("o/pattern", {**FILES, "a[1].json": b"{}", "a1.json.bak": b""})
    found, _ = client.locate(model_id="o/pattern")
    assert found is not None
    assert (found / "a[1].json").exists()


def test_a_download_that_does_not_fit(running: hub.Hub, client: hub.Client) -> None:
    running.add("o/large", FILES)
    said = client.locate(model_id="o/large", free=1000)[1]
    assert "Downloading o/large needs" in said
    assert f"in {client.cache}" in said
    assert "1000 bytes are free. Free some, or set the variable HF_HUB_CACHE" in said
    assert running.fetched("o/large") == []
    assert client.locate(model_id="o/large")[1] == ""
    assert client.locate(model_id="o/large", free=1000)[1] == ""


def test_what_a_killed_download_left_is_removed_unless_it_lives(running: hub.Hub, client: hub.Client) -> None:
    running.add("o/killed", FILES)
    home = blobs(client, "o/killed")
    locks = client.cache / ".locks" / home.name
    locks.mkdir(parents=True)
    (home / "blobs").mkdir(parents=True)
    dead, alive, old = "a" * 64, "b" * 64, "c" * 64
    for name in (f"{dead}.12345678", f"{alive}.12345678", old):
        (home / "blobs" / f"{name}.incomplete").write_bytes(b"half")
    (locks / f"{dead}.lock").touch()
    code = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(locks / f"{alive}.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert client.locate(model_id="o/killed")[1] == ""
        left = sorted(path.name[0] for path in (home / "blobs").glob("*.incomplete"))
        holder.communicate(b"\n")
    assert left == ["b", "c"]


def test_without_a_network_what_was_fetched_before_is_used(tmp_path: Path) -> None:
    with hub.server() as server:
        server.add("o/seen", FILES)
        server.add("o/half", FILES).refuses = 418
        online = hub.Client(server.url, tmp_path)
        found, _ = online.locate(model_id="o/seen")
        assert online.locate(model_id="o/half")[0] is None
    started = time.monotonic()
    assert online.locate(model_id="o/seen") == (found, "")
    said = online.locate(model_id="o/new")[1]
    assert "o/new is not a directory here and could not be fetched, because the hub cannot be reached" in said
    assert "Give a local directory as option.model_id" in said
    online.close()
    assert time.monotonic() - started < 60
    # As a process leaves it that was killed between two files.
    snapshot = tmp_path / "hub" / "models--o--half" / "snapshots" / hub.sha(FILES)
    snapshot.mkdir(parents=True, exist_ok=True)
    (snapshot / "config.json").write_bytes(CONFIG)
    offline = hub.Client(server.url, tmp_path, HF_HUB_OFFLINE="1")
    assert offline.locate(model_id="o/seen") == (found, "")
    assert (
        "o/half is here in part only: its download was broken off, and HF_HUB_OFFLINE is set"
        in offline.locate(model_id="o/half")[1]
    )
    assert "because HF_HUB_OFFLINE is set" in offline.locate(model_id="o/new")[1]
    offline.close()


@pytest.mark.parametrize(
    "revision",
    ["../../x", "a/../b", "/etc", "a\0b", "a\nb", "x y", "refs//x", "-x", "", "a" * 200, "http://x/y"],
)
def test_a_revision_is_no_path(revision: str) -> None:
    with pytest.raises(ModelNotFound, match="is no branch, tag or commit") as caught:
        model_hub.download("o/plain", revision, list, {}, Stages())
    assert str(caught.value).isprintable()


def test_revisions_as_the_hub_has_them(running: hub.Hub, client: hub.Client) -> None:
    for revision in ("main", "refs/pr/7", "v1.0+cu12", "3f5c1b0a92de3f5c1b0a92de3f5c1b0a92de3f5c"):
        running.add("o/revised", FILES, revision)
        found, error = client.locate(model_id="o/revised", revision=revision)
        assert (error, found is not None) == ("", True)


def test_names_that_lead_elsewhere_are_not_fetched(running: hub.Hub, client: hub.Client) -> None:
    running.add(
        "o/evil", {**FILES, "../1/rank0.engine": b"x", "a\n1/config.json": b"{}", "/1/rank0.engine": b"x"}
    )
    found, error = client.locate(model_id="o/evil")
    assert (error, found is not None) == ("", True)
    assert sorted(name for name, _ in running.fetched("o/evil")) == WANTED


def test_a_model_of_the_hub_does_not_name_another_one(running: hub.Hub, client: hub.Client) -> None:
    record = b'{"format": 1, "source": {"model_id": "/etc"}, "runtime": "openvino"}'
    running.add("o/sent-on", {**FILES, "djl_trtllm.json": record, "a/djl_trtllm.json": record})
    found, error = client.locate(model_id="o/sent-on")
    assert (error, found is not None) == ("", True)
    assert sorted(name for name, _ in running.fetched("o/sent-on")) == WANTED
