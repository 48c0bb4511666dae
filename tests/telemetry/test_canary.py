"""No prompt, answer, header or credential gets into a log, a metric, a span, an error or a file.

A worker of its own is sent every kind of request with canaries in all that a client can write, and all that it leaves
behind is searched. That the canaries were alive is seen in the clients' answers, where they belong.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import canaries
from tests.support.otlp_receiver import Receiver, receiver

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Run:
    """What a worker has left behind."""

    directory: Path
    status: int
    out: str
    err: str
    spans: Receiver

    @property
    def as_json(self) -> bool:
        return self.directory.name == "json"

    @property
    def log(self) -> str:
        return self.out + self.err

    def told(self) -> str:
        return (self.directory / "told.json").read_text()


def work(directory: Path, *arguments: str) -> Run:
    scratch = directory / "tmp"
    scratch.mkdir(parents=True)
    with receiver() as spans:
        environ = {
            **os.environ,
            **canaries.SECRETS,
            "OTEL_EXPORTER_OTLP_ENDPOINT": spans.url,
            "TMPDIR": str(scratch),
            "PYTHONFAULTHANDLER": "1",
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.canary_worker", str(directory), *arguments],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
    return Run(directory, done.returncode, done.stdout, done.stderr, spans)


@pytest.fixture(scope="module", params=["text", "json"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    end = ["crash"] if request.param == "json" else []
    return work(tmp_path_factory.mktemp("canary") / request.param, request.param, *end)


def test_the_worker_did_all_that_was_asked_of_it_and_clients_got_what_is_theirs(run: Run) -> None:
    assert run.status in (0, -11), run.log
    told = json.loads(run.told())
    assert told.keys() >= canaries.GOOD.keys() | canaries.GUIDED.keys() | canaries.BAD.keys()
    for name in canaries.GOOD:
        answer = told[name][0]  # a stream has it token by token
        assert re.search(r'[" ]z' if "stream" in name else canaries.OUTPUT, answer), (name, answer)
    assert canaries.NAME in run.told(), "a client is told which of its names is not known"
    assert '"broken input": [200]' in run.told()
    assert len(run.spans.named("text_completion")) > 20
    assert len(run.spans.named("load ")) >= 2
    assert run.log.count('"status":200') > 5
    assert "model.py:raising raised ValueError" in run.log
    assert len(re.findall(r"^LOAD 5\d\d ", run.out, re.M)) == 5, run.log


def test_standard_output_and_error(run: Run) -> None:
    assert canaries.found(run.out) == []
    assert canaries.found(run.err) == []


def test_the_metrics_page(run: Run) -> None:
    page = (run.directory / "metrics.txt").read_text()
    assert "prompt_tokens" in page
    assert canaries.found(page) == []


def test_spans(run: Run) -> None:
    assert canaries.found(b"\n".join(run.spans.raw)) == []


def test_files_of_cache_and_scratch(run: Run) -> None:
    assert canaries.in_files(run.directory / "cache", run.directory / "tmp") == []


def test_secrets_are_in_no_answer_either(run: Run) -> None:
    answers = run.told() + (run.directory / "formatted.json").read_text()
    for secret in (*canaries.SECRETS.values(), canaries.HEADER):
        assert secret not in answers


def test_every_line_of_json_is_an_object(run: Run) -> None:
    lines = [line for line in run.out.splitlines() if line and not line.startswith(("[METRICS]", "LOAD "))]
    assert lines
    if run.as_json:
        assert all(json.loads(line).keys() >= {"time", "level", "logger", "message"} for line in lines)
    else:
        assert all(line.startswith(("INFO ", "WARNING ", "ERROR ")) for line in lines)


def test_a_crash_leaves_stacks_without_values(run: Run) -> None:
    if not run.as_json:  # which ends in peace
        assert "Fatal Python error" not in run.err
    else:
        assert run.status == -11
        assert "Fatal Python error: Segmentation fault" in run.err
        assert "in crash" in run.err
