"""The package's own log lines, and errors told without their text."""

import logging

from djl_trtllm.telemetry import logs


def test_an_unexpected_error_is_named_by_place_not_by_text():
    try:
        int("a secret prompt")
    except ValueError as error:
        told = logs.describe(error)
    assert told.startswith("ValueError at test_an_unexpected_error")
    assert "secret" not in told
    assert logs.describe(KeyError("x")) == "KeyError at unknown place"


def test_configured_once(monkeypatch):
    logger = logging.getLogger("djl_trtllm")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    logs.configure()
    logs.configure()
    assert len(logger.handlers) == 1
    assert not logger.propagate
