"""docs/cli.md is what the parsers say, and its examples work."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from djl_trtllm.cli import docs
from djl_trtllm.cli.main import parser
from tests.support import tiny
from tests.support.model_dirs import tiny_model
from tests.support.snippets import ROOT, snippets

SCRIPTS = [snippet.text for snippet in snippets("docs/cli.md") if snippet.kind == "sh"]


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == docs.as_markdown(), (
        "docs/cli.md is not what the parsers say; run: python -m djl_trtllm.cli.docs > docs/cli.md"
    )


@pytest.mark.compile
def test_the_examples_run(tmp_path: Path) -> None:
    # A cache of its own, so that what comes nearest is known.
    built = tiny.compiled("llama")
    shutil.copytree(built, tmp_path / "cache" / "artifacts" / built.name)
    tiny_model(tmp_path / "my-model", "llama", cache_dir="")
    # These sources, whatever is installed.
    program = tmp_path / "bin" / "djl-trtllm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m djl_trtllm.cli.main "$@"\n')
    program.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OPTION_CACHE_DIR": str(tmp_path / "cache"),
        "BASH_ENV": "",
    }
    ran = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(SCRIPTS)],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for said in (
        "found compiled: llama ",
        "A start here would be a hit: ",
        "- option dtype is fp16 and was fp32\n",
        f"output     {(tmp_path / 'compiled').resolve()}\n",
        "whole    ",
        "Made from these files\n",
        " compiled model",
        " stay in ",
        "quantize",
    ):
        assert said in ran.stdout, ran.stdout + ran.stderr
    assert (tmp_path / "compiled" / "openvino_model.bin").is_file()


def commands() -> list[tuple[str, str]]:
    """Every command line that a page of the documentation shows in a block for a shell."""
    pages = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
    return [
        (str(snippet), part.strip())
        for page in pages
        for snippet in snippets(page)
        if snippet.kind in ("sh", "bash", "shell")
        for line in snippet.text.replace("\\\n", " ").splitlines()
        for part in re.split(r"[;|>]|&&", line)
        if part.strip().startswith("djl-trtllm ")
    ]


def test_every_command_line_in_the_documentation_is_one() -> None:
    found = commands()
    assert len(found) > 12
    for place, line in found:
        words = shlex.split(line, comments=True)[1:]
        if words[0] != "--help":
            assert parser().parse_args(words), place
