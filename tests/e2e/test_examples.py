"""The examples run as written, with a tiny model in the place of theirs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from djl_trtllm.local import properties
from tests.support import tiny
from tests.support.model_dirs import CACHE
from tests.support.server import ROOT, Server, serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

EXAMPLES = ROOT / "examples"


def client(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "client.py"), "--url", server.url, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def speaks(server: Server) -> None:
    done = client(server, "one two three", "--max-new-tokens", "8")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_the_quick_start_with_serving_properties():
    options = {"model_id": tiny.checkpoint("llama"), "cache_dir": CACHE}
    with serve(EXAMPLES / "quickstart", options=options) as server:
        assert "engine=MPI" in server.log_text()
        speaks(server)
        refused = client(server, "one", "--max-new-tokens", "-1")
        assert refused.returncode == 1
        assert refused.stderr.startswith("error: 400: ")


def test_the_quick_start_with_the_environment():
    environ = properties.parse((EXAMPLES / "environment" / "quickstart.env").read_text())
    environ |= {"HF_MODEL_ID": str(tiny.checkpoint("llama")), "OPTION_CACHE_DIR": str(CACHE)}
    with serve(None, env=environ) as server:
        speaks(server)
    gone = client(server, "one")
    assert gone.returncode == 1
    assert "refused" in gone.stderr


@pytest.mark.long
def test_the_openvino_example():
    options = {"model_id": tiny.checkpoint("llama"), "cache_dir": CACHE}
    with serve(EXAMPLES / "openvino", options=options) as server:
        speaks(server)
