from __future__ import annotations

import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from djl_trtllm.cli import console, options
from djl_trtllm.cli import main as cli
from djl_trtllm.errors import OptionsError

ROOT = Path(__file__).parents[2]
SHOW = """
import sys
from djl_trtllm.cli import console
shown = console.of(as_json=False)
shown.heading("Title")
shown.line("fine [bold]as it is[/bold] :smile: 12", "good")
shown.table(("key", "words", "size"), [("abc", "some words " * 12, "9 B"), ("d", "[x]", "10 B")], right=("size",))
shown.pairs([("name", "value"), ("a", "b")])
with shown.progress("making") as progress:
    progress.stage("first", 10.0)
    progress.stage("first", 60.0)
    progress.stage("second")
shown.errors(["It broke."])
"""


def on_a_terminal(code: str, environ: Mapping[str, str]) -> str:
    """What a program writes to a terminal of 60 columns, by both streams."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "60", **environ},
    )
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0, said.decode()
    return said.decode().replace("\r\n", "\n")


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    shown = console.of(as_json=False)
    shown.heading("One")
    shown.table(("key", "size"), [("a", "1 B"), ("bcd", "10 B")], right=("size",))
    shown.heading("Two")
    shown.pairs([("name", "value"), ("n", "")])
    shown.document({"not": "shown"})
    shown.errors(["First.", "Second."])
    out, err = capsys.readouterr()
    assert out == "One\nkey  size\na     1 B\nbcd  10 B\n\nTwo\n  name  value\n  n\n"
    assert err == "error: First.\nerror: Second.\n"


def test_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    shown = console.of(as_json=True)
    shown.heading("One")
    shown.line("nothing")
    shown.table(("a",), [("b",)])
    shown.pairs([("a", "b")])
    shown.note("said")
    shown.document({"é": 1})
    shown.errors(["Too late."])
    out, err = capsys.readouterr()
    assert json.loads(out) == {"é": 1}
    assert err == "said\nerror: Too late.\n"
    with pytest.raises(RuntimeError):
        shown.document({})


def test_errors_are_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    console.of(as_json=True).errors(["First.", "Second."])
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"error": ["First.", "Second."]}, "")


@pytest.mark.parametrize("as_json", [True, False])
def test_progress_is_lines_with_the_log(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("djl_trtllm.compile.cache")
    with console.of(as_json).progress("compiling") as progress:
        progress.stage("reading")
        log.info("cache miss")
        log.warning("careful")
        progress.stage("writing", 50.0)
    log.info("nobody hears this")
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(", ")[0] for line in err.splitlines()] == [
        "compiling: reading",
        "cache miss",
        "warning: careful",
        "compiling: writing 50 %",
    ]


def test_a_terminal_has_colours_and_its_width() -> None:
    said = on_a_terminal(SHOW, {"TERM": "xterm-256color", "NO_COLOR": ""})
    assert "\x1b[1mTitle\x1b[0m" in said
    assert "\x1b[32mfine [bold]as it is[/bold] :smile: 12\x1b[0m" in said
    assert "\x1b[1;31merror: It broke.\x1b[0m" in said
    assert "making: first, 0." in said


def test_no_color_keeps_the_table() -> None:
    said = on_a_terminal(SHOW, {"TERM": "xterm-256color", "NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[\d;]*3\dm", said), "no colour, though bold stays"
    lines = re.sub(r"\x1b\[[\d;?]*\w", "", said).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("key"))
    assert lines[at + 1].startswith("abc  some words")
    assert lines[at + 2].startswith("     ")
    assert all(len(line) <= 60 for line in lines[at : at + 5])


def test_a_dumb_terminal_gets_plain_lines() -> None:
    said = on_a_terminal(SHOW, {"TERM": "dumb"})
    assert "\x1b" not in said
    assert "making: first 10 %, 0 s\nmaking: first 60 %, 0 s\nmaking: second, 0 s\n" in said


def test_without_rich_a_terminal_gets_plain_lines() -> None:
    hidden = "import sys; sys.modules['rich'] = None\n"
    said = on_a_terminal(f"{hidden}{SHOW}", {"TERM": "xterm"})
    assert "\x1b" not in said
    assert "Title\n" in said


def test_a_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    console.of(as_json=False, environ={"TERM": "xterm"}).line("text", "good")
    assert out.getvalue() == "text\n"


@pytest.mark.parametrize("argv", [["options", "--json", "--markdown"], ["options", "--json", "--nonsense"]])
def test_wrong_usage_is_a_document(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert argv[-1] in json.loads(out)["error"][0]
    assert err.startswith("usage: ")


def test_an_error_of_a_command_is_a_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise OptionsError("This is wrong.", "And that.")

    monkeypatch.setattr(options, "run", fail)
    assert cli.main(["options", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"error": ["This is wrong.", "And that."]}
