"""The package's own log lines, and errors told without their text."""

import io
import json
import logging
import re
import sys
import threading

import pytest

from djl_trtllm.telemetry import logs
from djl_trtllm.telemetry.told import Told


def test_an_unexpected_error_is_named_by_place_not_by_text():
    try:
        int("a secret prompt")
    except ValueError as error:
        told = logs.describe(error)
    assert told.startswith("ValueError at test_an_unexpected_error")
    assert "secret" not in told
    assert logs.describe(KeyError("x")) == "KeyError at unknown place"


@pytest.fixture
def logger(monkeypatch):
    """The package's logger as it is before anything has configured it."""
    found = logging.getLogger("djl_trtllm")
    monkeypatch.setattr(found, "handlers", [])
    monkeypatch.setattr(found, "propagate", True)
    monkeypatch.setattr(found, "level", logging.NOTSET)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    return found


def test_configured_once(logger):
    logs.configure()
    logs.configure(logs.Settings(json=True))
    assert len(logger.handlers) == 1
    assert not logger.propagate
    assert not logs.as_json()


def test_text_or_json_on_standard_output(logger, capsys):
    logs.configure(logs.Settings(json=True, secrets=({"X_TOKEN": "12345678"},)))
    assert logs.as_json()
    logs.log.info("it is %s", "12345678")
    assert json.loads(capsys.readouterr().out)["message"] == "it is (hidden)"
    assert logs.hide("x 12345678") == "x (hidden)"


def test_without_a_log_nothing_is_hidden(logger):
    assert logs.hide("12345678") == "12345678"
    assert not logs.as_json()


def test_other_ranks_tell_only_what_is_wrong(logger, capsys):
    logs.configure(logs.Settings(rank=1))
    logs.log.info("all is well")
    logs.log.warning("it is not")
    assert capsys.readouterr().out == "WARNING djl_trtllm it is not\n"


def test_many_lines_are_written_in_parts_that_a_pipe_takes_whole(logger, monkeypatch):
    class Parts(io.StringIO):
        def write(self, text: str) -> int:
            parts.append(text)
            return len(text)

    class Many(Told):
        def lines(self):
            return [f"{n} {'x' * 100}" for n in range(200)] + ["y" * 9000]

        def objects(self, encode):
            raise AssertionError("text was asked for")

    parts: list[str] = []
    monkeypatch.setattr(sys, "stdout", Parts())
    logs.configure()
    logs.log.info(Many())
    assert len(parts) > 4
    assert all(part.endswith("\n") and len(part) <= 4096 for part in parts[:-1])
    assert "".join(parts).count("INFO djl_trtllm ") == 201


def test_a_record_that_cannot_be_written_is_said_without_its_arguments(logger, capsys):
    logs.configure()
    logs.log.info("%d", "a prompt")
    out, err = capsys.readouterr()
    assert re.fullmatch(
        r"ERROR djl_trtllm a record of djl_trtllm.telemetry.logs:\d+ could not be written\n", out
    )
    assert err == ""


def test_what_ends_a_thread_is_told_without_its_text(logger, capsys):
    logs.configure()
    thread = threading.Thread(target=lambda: int("a prompt"), name="prepare")
    thread.start()
    thread.join()
    quiet = threading.Thread(target=sys.exit)
    quiet.start()
    quiet.join()
    out, err = capsys.readouterr()
    assert re.fullmatch(r"ERROR djl_trtllm the thread prepare ended: ValueError at <lambda>:.*\n", out)
    assert err == ""


def test_an_error_in_a_finalizer_is_told_without_its_text(logger, capsys):
    class Finalized:
        def __del__(self) -> None:
            raise ValueError("a prompt")

    logs.configure()
    Finalized()
    out, err = capsys.readouterr()
    assert re.fullmatch(r"ERROR djl_trtllm an error could not be raised: ValueError at __del__:\d+\n", out)
    assert err == ""


def test_other_hooks_are_left_alone(logger, monkeypatch):
    def hook(found: object) -> None: ...

    monkeypatch.setattr(threading, "excepthook", hook)
    monkeypatch.setattr(sys, "unraisablehook", hook)
    logs.configure()
    assert threading.excepthook is sys.unraisablehook is hook
