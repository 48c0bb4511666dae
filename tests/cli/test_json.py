"""Every command writes exactly one JSON document with --json, whatever comes of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from djl_trtllm.cli import bench
from djl_trtllm.cli.main import COMMANDS, main, parser
from djl_trtllm.local import server

RUNS = {
    "serve": ["serve", "./nowhere"],
    "compile": ["compile", "./nowhere"],
    "check": ["check", "."],
    "inspect": ["inspect"],
    "verify": ["verify"],
    "gc": ["gc"],
    "options": ["options", "dtype"],
    "selftest": ["selftest", "--list", "--runtime", "openvino", "--families", "gpt2"],
    "bench": ["bench"],
    "completion": ["completion", "bash"],
}
FAILS = {"serve", "compile", "bench"}


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPTION_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(server, "run", lambda settings, say: say(f"error: no model {settings.model}.") or 1)


@pytest.mark.parametrize("name", COMMANDS)
def test_one_document(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([*RUNS[name], "--json"])
    document = json.loads(capsys.readouterr().out)
    assert ("error" in document) == (name in FAILS)
    if name in FAILS:
        assert code == 1
        assert all(isinstance(problem, str) for problem in document["error"])


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_usage_is_a_document_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--json", "--no-such-flag"])
    assert ended.value.code == 2
    assert json.loads(capsys.readouterr().out)["error"]


def test_every_command_and_argument_says_what_it_does() -> None:
    commands = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert tuple(commands.choices) == COMMANDS
    for name, command in commands.choices.items():
        assert command.description, name
        for action in command._actions:
            assert action.help, f"{name} {action.dest}"


def test_what_is_unsupported_is_in_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RUNS["selftest"], "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"family": "gpt2", "quantize": "none"} in document["cases"]
    assert any(case["quantize"] == "fp8" and case["why"] for case in document["unsupported"])


def test_an_interrupt_is_a_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("djl_trtllm.cli.gc.run", interrupt)
    assert main(["gc", "--json"]) == 130
    assert json.loads(capsys.readouterr().out) == {"error": ["Interrupted."]}


def test_a_selftest_that_fails_is_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Report:
        well = False

        def as_json(self) -> dict[str, object]:
            return {"well": False}

    def run(chosen: object, refused: object, settings: object, say: Callable[[str], None]) -> Report:
        say("a line for people")
        return Report()

    monkeypatch.setattr("djl_trtllm.selftest.run.run", run)
    words = ["selftest", "--runtime", "openvino", "--families", "gpt2"]
    assert main([*words, "--json"]) == 1
    assert capsys.readouterr() == ('{\n  "well": false\n}\n', "a line for people\n")
    assert main([*words, "--json", "report.json"]) == 1
    assert capsys.readouterr() == ("a line for people\n", "")
    assert json.loads(Path("report.json").read_text()) == {"well": False}
