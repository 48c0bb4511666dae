"""What the command line has compiled is a hit when served; that start is quick and imports nothing that compiles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.http_client import lmi, post, without_log_probs
from tests.support.model_dirs import tiny_model
from tests.support.server import ROOT, serve

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


def compiled(*words: object) -> dict[str, object]:
    """What `djl-trtllm compile` says, in a process of its own."""
    command = [sys.executable, "-m", "djl_trtllm.cli.main", "compile", "--json", *map(str, words)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Path]:
    """A model directory, the key of what was compiled ahead into a cache of its own, and a directory written out."""
    directory = tmp_path_factory.mktemp("second-start")
    model = tiny_model(directory / "model", "llama", entryPoint="model.py", cache_dir=directory / "cache")
    (model / "model.py").write_text(ENTRY)
    first = compiled(model)
    assert first["hit"] is False
    again = compiled(model, "--output", directory / "output")
    assert again["hit"] is True
    assert again["key"] == first["key"]
    assert again["seconds"] < 5, "what the command itself reports, without the start of Python"
    return model, str(first["key"]), directory / "output"


@pytest.fixture(scope="module")
def text(made: tuple[Path, str, Path]) -> str:
    """What the directory that was written out answers; it compiles nothing and knows nothing of the cache."""
    with serve(made[2], env={"OPTION_CACHE_DIR": str(made[2] / "no-cache")}) as server:
        assert "serving the compiled model as it is" in server.log_text()
        answer = post(server.url, REQUEST).text
    assert not (made[2] / "no-cache" / "artifacts").exists()
    return answer


@pytest.mark.parametrize(
    ("engine", "djl"),
    [("Python", "0.34.0"), ("MPI", "0.34.0"), pytest.param("Python", "0.25.0", marks=pytest.mark.long)],
)
def test_a_start_after_compiling_ahead(
    made: tuple[Path, str, Path], text: str, engine: str, djl: str
) -> None:
    model, key, _ = made
    start = time.monotonic()
    with serve(model, engine=engine, djl=djl) as server:
        assert time.monotonic() - start < 90, "compiling alone takes longer than that on a busy machine"
        log = server.log_text()
        assert f"cache hit: llama {key[:12]}" in log
        assert "cache miss" not in log
        again = post(server.url, REQUEST)
        modules = json.loads((model / "modules.json").read_text())
    assert without_log_probs(again.text) == without_log_probs(text)
    assert "djl_trtllm.service" in modules
    for heavy in ("torch", "transformers", "optimum"):
        assert heavy not in modules


@pytest.mark.long
def test_the_demo_model_compiled_ahead_is_a_hit(tmp_path: Path) -> None:
    environ = {**os.environ, "OPTION_CACHE_DIR": str(tmp_path / "cache")}
    environ.pop("HF_MODEL_ID", None)
    command = [sys.executable, "-m", "djl_trtllm.cli.main", "compile", "--json"]
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    key = json.loads(ran.stdout)["key"]
    with serve(None, env={"OPTION_CACHE_DIR": str(tmp_path / "cache")}, timeout=120) as server:
        assert f"{key[:12]}, compiled " in server.log_text()
        assert post(server.url, REQUEST).status == 200
