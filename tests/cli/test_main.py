from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from djl_trtllm import __version__
from djl_trtllm.cli import main as cli
from djl_trtllm.cli import options
from djl_trtllm.errors import OptionsError

RUN = [sys.executable, "-m", "djl_trtllm.cli.main"]


def test_help_names_every_command() -> None:
    shown = subprocess.run([*RUN, "--help"], capture_output=True, text=True, check=True).stdout
    for name in cli.COMMANDS:
        assert f"    {name} " in shown


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "msgspec", "jpype", "starlette", "openvino", "tokenizers", "rich", "shtab")
    code = (
        "import sys; from djl_trtllm.cli import main; main.parser().format_help(); "
        f"print(*(m for m in {heavy} if m in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"djl-trtllm {__version__}\n"


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["options", "--json", "--markdown"]])
def test_wrong_usage_is_2(argv: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 2


def test_a_known_error_is_a_line_a_problem_and_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise OptionsError("This is wrong.", "And that.")

    monkeypatch.setattr(options, "run", fail)
    assert cli.main(["options"]) == 1
    assert capsys.readouterr().err == "error: This is wrong.\nerror: And that.\n"


def test_a_file_that_cannot_be_had_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(options, "run", fail)
    assert cli.main(["options"]) == 1
    assert capsys.readouterr().err == "error: /some/file: Permission denied.\n"


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise OSError("of nothing in particular")

    monkeypatch.setattr(options, "run", fail)
    with pytest.raises(OSError, match="in particular"):
        cli.main(["options"])


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(options, "run", interrupt)
    assert cli.main(["options"]) == 130


def test_a_reader_that_leaves_is_no_traceback() -> None:
    with subprocess.Popen(
        [*RUN, "options", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) in (0, 1)
