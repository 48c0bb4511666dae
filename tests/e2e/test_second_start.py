"""A start on a cache hit is quick and loads nothing that only compiling needs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.http_client import lmi, post, without_log_probs
from tests.support.model_dirs import tiny_model
from tests.support.server import serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

REQUEST = lmi("The licence", max_new_tokens=8)
ENTRY = """
import json, pathlib, sys
from djl_trtllm import handler

def handle(inputs):
    output = handler.handle(inputs)
    pathlib.Path(__file__).with_name("modules.json").write_text(json.dumps(sorted(sys.modules)))
    return output
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model directory that was served once, compiling into a cache of its own, and what it answered."""
    directory = tmp_path_factory.mktemp("second-start")
    model = tiny_model(directory / "model", "llama", entryPoint="model.py", cache_dir=directory / "cache")
    (model / "model.py").write_text(ENTRY)
    with serve(model) as server:
        assert "cache miss" in server.log_text()
        return model, post(server.url, REQUEST).text


@pytest.mark.parametrize(("engine", "djl"), [("Python", "0.34.0"), ("MPI", "0.34.0"), ("Python", "0.25.0")])
def test_the_second_start(first: tuple[Path, str], engine: str, djl: str) -> None:
    model, text = first
    start = time.monotonic()
    with serve(model, engine=engine, djl=djl) as server:
        assert time.monotonic() - start < 15
        assert "cache hit" in server.log_text()
        again = post(server.url, REQUEST)
        modules = json.loads((model / "modules.json").read_text())
    assert without_log_probs(again.text) == without_log_probs(text)
    assert "djl_trtllm.service" in modules
    for heavy in ("torch", "transformers", "optimum"):
        assert heavy not in modules
