"""What a child prints stands in the log as JSON does, and goes where it went where the log is text."""

import json
import logging
import subprocess
import sys
import threading

import pytest

from djl_trtllm.telemetry import child_output, logs

CODE = """
import logging, sys
print("plain")
print()
logging.basicConfig(stream=sys.stdout, format="%(levelname)s openvino: %(message)s", level=logging.INFO)
logging.info("fine")
logging.error("not [METRICS]")
print("x" * 5000)
"""
LOGGER = logging.getLogger("djl_trtllm.engines.openvino.process")


def run() -> None:
    with child_output.descriptor(LOGGER) as printed:
        child = subprocess.Popen([sys.executable, "-c", CODE], stdout=printed, stderr=printed)
    assert child.wait() == 0
    for thread in threading.enumerate():
        if thread.name == "child-output":
            thread.join()


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> None:
    found = logging.getLogger("djl_trtllm")
    monkeypatch.setattr(found, "handlers", [])
    monkeypatch.setattr(found, "propagate", True)
    monkeypatch.setattr(found, "level", logging.INFO)


def test_as_json_every_line_is_a_record(logger: None, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(logs.Settings(json=True))
    run()
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["level"], one["message"]) for one in told] == [
        ("WARNING", "plain"),
        ("INFO", "fine"),
        ("ERROR", "not -METRICS]"),
        ("WARNING", "x" * child_output.MOST),
    ]
    assert {one["logger"] for one in told} == {LOGGER.name}


def test_as_text_it_goes_to_standard_error(logger: None, capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    run()
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[:3] == ["plain", "", "INFO openvino: fine"]
