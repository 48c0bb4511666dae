"""docs/containers.md names what there is."""

from __future__ import annotations

import re

from tests.examples.test_sagemaker import deploy
from tests.support.server import ROOT

PAGE = (ROOT / "docs" / "containers.md").read_text()
DOCKER = ROOT / "docker"


def arguments(name: str) -> set[str]:
    return set(re.findall(r"^ARG (\w+)", (DOCKER / f"{name}.Dockerfile").read_text(), re.MULTILINE))


def test_every_build_argument_is_there() -> None:
    said = set(re.findall(r"^\| `([A-Z_]+)` \|[^|]*\|[^|]*\|$", PAGE, re.MULTILINE))
    assert said == arguments("lmi") | arguments("cpu")


def test_every_variable_that_is_taken_is_there() -> None:
    table = PAGE.partition("## Variables")[2].partition("## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| `(\w+)`", table, re.MULTILINE)
    said = {(name, target) for names, target in rows for name in re.findall(r"`(\w+)`", names)}
    script = (DOCKER / "environment.sh").read_text()
    taken = set(re.findall(r"^ *take (\w+) (\w+)$", script, re.MULTILINE))
    assert said == taken | {("MAX_TOTAL_TOKENS", "OPTION_MAX_OUTPUT_LEN")}


def test_every_argument_of_the_script_is_there() -> None:
    from djl_trtllm.partition import job

    said = re.findall(r"^\| `(--\w+)` \|", PAGE, re.MULTILINE)
    parser = job._parser()
    assert said == [action.option_strings[0] for action in parser._actions if action.dest != "help"]


def test_the_commands_for_sagemaker_are_understood() -> None:
    text = PAGE.replace("\\\n", " ")
    commands = [
        line.split()[2:] for line in text.splitlines() if line.startswith("python examples/sagemaker/deploy")
    ]
    assert len(commands) == 2
    for words in commands:
        line = re.sub(r"<[^>]*>", "x", " ".join(words)).split()
        assert deploy.requests(deploy.parse(line))


def test_files_that_are_named_are_there() -> None:
    for target in re.findall(r"\]\(\.\./([\w./-]+)\)", PAGE):
        assert (ROOT / target).exists(), target
