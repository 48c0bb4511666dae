"""Dockerfiles and shell scripts as their linters want them, and what they may not hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
SCRIPTS = sorted((ROOT / "docker").rglob("*.sh"))
BIN = Path(sys.executable).parent
HOST = re.compile(r"(?<![./\w-])[\w-]+(\.[\w-]+)*\.(com|io|org|net|ai|dev|aws)\b|://")


def run(*command: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout + done.stderr


def test_there_are_some() -> None:
    assert [file.name for file in DOCKERFILES] == ["cpu.Dockerfile", "lmi.Dockerfile"]
    assert len(SCRIPTS) == 5


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_dockerfiles(file: Path) -> None:
    assert run(BIN / "hadolint", file) == ""


def test_shell_scripts() -> None:
    others = [
        path for path in sorted((ROOT / "scripts").iterdir()) if path.read_text().startswith("#!/bin/sh")
    ]
    assert run(BIN / "shellcheck", "--external-sources", *SCRIPTS, *others) == ""


@pytest.mark.parametrize("file", [*DOCKERFILES, *SCRIPTS], ids=lambda file: file.name)
def test_no_registry_stands_in_them(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if "127.0.0.1" not in line]
    assert [line for line in lines if HOST.search(line)] == []


def test_every_layer_is_one_of_a_known_script() -> None:
    """What a build runs is what the tests of this directory run."""
    for file in DOCKERFILES:
        text = file.read_text().replace("\\\n", " ")
        runs = [line for line in text.splitlines() if line.startswith("RUN ")]
        (step,) = runs
        name = file.name.removesuffix(".Dockerfile")
        assert step.endswith(f"sh /src/docker/{name}/install.sh")
