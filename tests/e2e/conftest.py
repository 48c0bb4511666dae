"""The demo model, served once for every test of clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.model_dirs import CACHE
from tests.support.server import Server, serve

OPTIONS = {
    "dtype": "fp32",
    "max_input_len": 2048,
    "max_output_len": 512,
    "max_rolling_batch_size": 16,
    "openvino_kv_cache": "512MiB",
    "cache_dir": CACHE,
}


@pytest.fixture(scope="session")
def demo_server() -> Iterator[Server]:
    """SmolLM2-135M-Instruct behind DJL's real Java engine."""
    with serve(None, options=OPTIONS, timeout=280) as server:
        yield server
