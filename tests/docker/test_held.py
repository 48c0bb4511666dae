"""What an installation into a container may change, and what not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT

SCRIPT = ROOT / "docker" / "lmi" / "held.py"
CONTAINER = {
    "torch": ("2.4.0+cu121", ["filelock", "jinja2", "triton==3.0.0 ; extra == 'all'"]),
    "transformers": ("4.44.2", ["huggingface-hub<1.0,>=0.23.2", "tokenizers<0.20,>=0.19", "what is this"]),
    "tokenizers": ("0.19.1", ["huggingface-hub<2"]),
    "pydantic": ("2.6.1", []),
    "tensorrt-llm": ("0.12.0", ["transformers==4.44.2"]),
    "Huggingface_Hub": ("0.23.5", []),
    "filelock": ("3.12.0", []),
    "djl-trtllm": ("0.0.9", []),
    "python-apt": ("2.4.0-ubuntu-3build1", []),
}


def install(site: Path, name: str, version: str, requires: list[str] = []) -> Path:  # noqa: B006
    """Write the metadata of a package that is installed."""
    place = site / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    (place / "METADATA").write_text(
        "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires)]) + "\n"
    )
    (place / "RECORD").touch()
    return place


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, (version, requires) in CONTAINER.items():
        install(tmp_path / "site", name, version, requires)
    return tmp_path / "site"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_is_held_but_what_may_rise_within_what_others_ask(site) -> None:
    assert run("--path", site).stdout.splitlines() == [
        "filelock>=3.12.0",
        "huggingface-hub<1.0,<2,>=0.23.2,>=0.23.5",
        "pydantic==2.6.1",
        "tensorrt-llm==0.12.0",
        "tokenizers==0.19.1",
        "torch==2.4.0+cu121",
        "transformers==4.44.2",
    ]


def test_the_first_of_two_is_the_one_that_is_imported(site, tmp_path) -> None:
    install(tmp_path / "first", "torch", "2.3.1")
    assert "torch==2.3.1" in run("--path", tmp_path / "first", "--path", site).stdout.splitlines()


def test_what_has_changed_is_named(site, tmp_path) -> None:
    before = tmp_path / "held"
    before.write_text(run("--path", site).stdout)
    done = run("--path", site, "--compare", before)
    assert (done.returncode, done.stderr) == (0, "")
    (site / "pydantic-2.6.1.dist-info").rename(site / "away")
    install(site, "filelock", "3.16.0")
    (site / "filelock-3.12.0.dist-info").rename(site / "old")
    (site / "torch-2.4.0+cu121.dist-info").rename(site / "older")
    install(site, "torch", "2.5.0")
    done = run("--path", site, "--compare", before)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the installation has changed what the container has: pydantic==2.6.1 was there, and now it is gone",
        "error: the installation has changed what the container has: torch==2.4.0+cu121 was there, and now it is 2.5.0",
    ]
