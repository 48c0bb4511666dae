"""Which files of a model go where."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel
from djl_trtllm.model import engine_layouts, partitioned
from djl_trtllm.model.partitioned import Record, Source
from djl_trtllm.options.table import Options
from djl_trtllm.partition.layout import Content, Layout, fill
from tests.support import engine_directories
from tests.support.lmi_repositories import BY_CONFIG, BY_DIRECTORIES, valid_for

PAIRS = {"engine": "MPI", "option.model_id": "owner/name", "option.max_input_len": "64"}


def content(model: CompiledModel, runtime: str = "trtllm") -> Content:
    return Content(model, Record(Source("owner/name"), runtime), Options(), PAIRS)


@pytest.fixture
def model(tmp_path: Path) -> CompiledModel:
    """A repository of LMI's: the checkpoint's config.json lies with the text, the engines' beside the engines."""
    root = engine_directories.lmi(
        tmp_path / "from", engine_directories.config(), name="llama_tp1_rank{}.engine"
    )
    (root / "llama" / "config.json").write_text('{"model_type": "llama"}')
    (root / "llama" / "tokenizer.json").write_text("{}")
    (root / "llama" / "1" / "nested").mkdir()
    (root / "llama" / "1" / "nested" / "file").touch()
    found = engine_layouts.find(root, "ours")
    assert found is not None
    return found


def test_lmis_layout(tmp_path, model) -> None:
    made = tmp_path / "made"
    made.mkdir()
    fill(made, Layout.LMI, content(model), tmp_path / "place")
    assert valid_for(made) == BY_DIRECTORIES
    home = made / "tensorrt_llm"
    assert json.loads((home / "config.json").read_text()) == {"model_type": "llama"}
    assert "build_config" in json.loads((home / "1" / "config.json").read_text())
    assert (home / "1" / "nested" / "file").exists()
    assert f'"{tmp_path}/place/tensorrt_llm/1"' in (home / "config.pbtxt").read_text()
    again = engine_layouts.find(made, "it")
    assert again is not None
    assert (again.path, again.text_path) == (home / "1", home)
    assert partitioned.read(made) == content(model).record


def test_the_flat_layout(tmp_path, model) -> None:
    made = tmp_path / "made"
    made.mkdir()
    fill(made, Layout.FLAT, content(model), tmp_path / "place")
    assert valid_for(made) == BY_CONFIG
    assert (made / "serving.properties").read_text() == "engine=MPI\noption.max_input_len=64\n"
    again = engine_layouts.find(made, "it")
    assert again is not None
    assert again.path == made
    assert (made / "tokenizer.json").exists()
    assert partitioned.read(made) == content(model).record


@pytest.mark.parametrize("layout", Layout)
def test_a_runtime_without_engines_leaves_a_pointer(tmp_path, model, layout) -> None:
    made = tmp_path / "made"
    made.mkdir()
    fill(made, layout, content(model, "openvino"), tmp_path / "place")
    assert not list(made.rglob("*.engine"))
    assert partitioned.source(made, Options()) == Source("owner/name")
    assert valid_for(made) == (BY_DIRECTORIES if layout is Layout.LMI else ())


def test_engines_are_copied_where_there_are_no_links(tmp_path, model, monkeypatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuses)
    made = tmp_path / "made"
    made.mkdir()
    fill(made, Layout.LMI, content(model), made)
    (copied,) = (made / "tensorrt_llm" / "1").glob("*.engine")
    assert copied.read_bytes() == b"an engine"
    assert copied.stat().st_nlink == 1
