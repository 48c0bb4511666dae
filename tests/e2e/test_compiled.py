"""A worker with the compiled hot path, through DJL's real Java engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend

from bench import compiled
from tests.e2e.test_streams import IN_FLIGHT, bodies, check
from tests.support import tiny
from tests.support.http_client import post_all
from tests.support.model_dirs import tiny_model
from tests.support.server import serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile, pytest.mark.usefixtures("tiny_models"), pytest.mark.long]


def test_sixty_mixed_requests(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", "llama")
    backend = Backend.from_file(str(tiny.checkpoint("llama") / "tokenizer.json"))
    with serve(model, env={"PYTHONPATH": str(compiled.package())}) as server:
        for reply in post_all(server.url, bodies(backend, "llama", 60), IN_FLIGHT):
            check(backend, reply)
        (worker,) = server.worker_pids()
        assert "_token_line.cpython" in Path(f"/proc/{worker}/maps").read_text()
        assert "(hot path compiled)" in server.log_text()
