"""Builds of the openvino runtime that take no time: everything around them is as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.engines.openvino import compile as compiler

BIG = 17 << 20
"""Bytes of a file that is linked and not copied."""


def install(monkeypatch: pytest.MonkeyPatch, big: bool = False) -> list[Path]:
    """Have builds only write two files; returns the directories that were built in, as it comes to that."""
    built: list[Path] = []

    def build(checkpoint, options, out, progress) -> None:
        built.append(out)
        progress.stage("building", 50.0)
        (out / "openvino_model.xml").write_text(f"<{options.dtype}/>")
        (out / "openvino_model.bin").write_bytes(bytes(BIG) if big else b"weights")

    monkeypatch.setattr(compiler, "build", build)
    return built
