"""The child process of the engine, as its parent starts it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from djl_trtllm.engines.openvino.process import ChildProcess
from tests.support.collector import eventually


def test_it_has_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "canary-41")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-42")
    ended = threading.Event()
    child = ChildProcess(lambda messages: None, lambda: None, lambda code: ended.set())
    child.start()
    eventually(lambda: child.pid is not None, "it started")
    environ = Path(f"/proc/{child.pid}/environ").read_bytes()
    child.kill()
    assert ended.wait(60)
    assert b"PATH=" in environ
    assert b"canary" not in environ
