"""Versions of distributions that are there, and of one that is not."""

from __future__ import annotations

from importlib import metadata

from djl_trtllm import installed


def test_versions() -> None:
    assert installed.version("msgspec") == metadata.version("msgspec")
    assert installed.version("no-such-library") is None
