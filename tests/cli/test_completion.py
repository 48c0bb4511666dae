from __future__ import annotations

import json
import subprocess
import sys

import pytest

from djl_trtllm.cli import completion
from djl_trtllm.cli.main import COMMANDS, main
from djl_trtllm.errors import LoadError
from djl_trtllm.options.table import SPECS


def completed(*words: str) -> list[str]:
    """What bash offers for the last word of a line."""
    line = " ".join(words)
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f"""
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}
_djl_trtllm djl-trtllm '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    script = completion.script("bash") + ask
    ran = subprocess.run(["bash", "--norc"], input=script, capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return ran.stdout.split()


def test_bash_takes_the_script() -> None:
    subprocess.run(["bash", "-n"], input=completion.script("bash"), text=True, check=True)


def test_bash_completes_a_command() -> None:
    assert completed("djl-trtllm", "comp") == ["compile", "completion"]
    assert set(COMMANDS) <= set(completed("djl-trtllm", ""))


def test_bash_completes_a_flag_and_its_values() -> None:
    assert completed("djl-trtllm", "compile", "--out") == ["--output"]
    assert completed("djl-trtllm", "options", "--runtime", "open") == ["openvino"]


def test_bash_completes_the_names_of_options() -> None:
    found = completed("djl-trtllm", "compile", "--option", "smoothquant_per")
    assert found == ["smoothquant_per_token=", "smoothquant_per_channel="]


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_shell_is_told_of_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
    assert all(f"{name}=" in text for name in SPECS)
    assert main(["completion", shell, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"shell": shell, "script": completion.script(shell)}
    assert text == completion.script(shell).rstrip("\n") + "\n"


def test_without_shtab_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(LoadError, match=r"djl-trtllm\[cli\]"):
        completion.script("bash")
