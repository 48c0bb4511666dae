"""option.cache_remote through a load: what one machine has compiled, another takes from S3."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo
from djl_trtllm.service.artifact import Artifact
from tests.support import checkpoints, s3
from tests.support.plans import Stages
from tests.support.toy_runtime import WEIGHTS, ToyRuntime


def test_what_one_has_compiled_another_takes(
    s3_server: s3.S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.point(monkeypatch, s3_server.environ)
    bucket = s3_server.bucket("second-cache")
    model = checkpoints.write(tmp_path / "model")
    runtime = ToyRuntime()
    hits = []
    for machine in ("one", "two"):
        options = Options(
            model_id=str(model), cache_dir=str(tmp_path / machine), cache_remote=f"{bucket}/compiled"
        )
        found = Artifact(runtime, options, Solo(), {}, Stages()).find()
        hits.append(found.hit)
        assert (found.path / "weights.bin").stat().st_size == WEIGHTS
        for thread in threading.enumerate():
            if thread.name == "cache-push":
                thread.join()
    assert hits == [False, True]
    assert runtime.builds == 1
    stored = [key.rpartition("/")[2] for key in s3_server.keys("second-cache")]
    assert {"manifest.json", "weights.bin"} < set(stored)
