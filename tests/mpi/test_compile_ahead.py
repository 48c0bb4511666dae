"""A model of two ranks compiled ahead by the command line, under real mpirun, and what its failures look like."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.http_client import lmi, post
from tests.support.mpi_jobs import Place, expected_text
from tests.support.server import ROOT, serve

pytestmark = pytest.mark.compile


def run(place: Place, *words: object, command: str = "compile") -> subprocess.CompletedProcess[str]:
    command_line = [sys.executable, "-m", "djl_trtllm.cli.main", command, *map(str, words)]
    environ = {**os.environ, **place.environment()}
    return subprocess.run(command_line, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_what_fails_on_ranks_is_an_error_of_the_command(tmp_path: Path) -> None:
    place = Place(tmp_path)
    ran = run(place, place.model(rotary_dim=8), "--json")
    assert ran.returncode == 1
    (problem,) = json.loads(ran.stdout)["error"]
    assert problem.startswith("rotary_dim=8 (from serving.properties) has no effect on ")
    assert "compiling with 2 ranks, started by mpirun" in ran.stderr


def test_what_stands_against_it_is_said_before_ranks_are_started(tmp_path: Path) -> None:
    place = Place(tmp_path)
    ran = run(place, place.model(use_fp8_context_fmha="true"))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "error: use_fp8_context_fmha=true" in ran.stderr
    assert "mpirun" not in ran.stderr


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_two_ranks_compiled_ahead_are_a_hit_when_served(tmp_path: Path) -> None:
    place = Place(tmp_path)
    output = tmp_path / "output"
    ran = run(place, place.model(), "--json", "--output", output)
    assert ran.returncode == 0, ran.stderr
    done = json.loads(ran.stdout)
    assert (done["runtime"], done["hit"], done["output"]) == ("trtllm", False, str(output))
    assert place.building() == []
    told = json.loads(run(place, place.model(), "--json", command="inspect").stdout)
    assert (told["hit"], told["key"]) == (True, done["key"]), "one process looks for what two ranks would"
    with place.serve() as server:
        assert f"cache hit: llama {done['key'][:12]}" in server.log_text()
        assert place.calls("from_hugging_face") == []
    with serve(output, env=place.environment()) as server:
        assert "serving the compiled model as it is" in server.log_text()
        reply = post(server.url, lmi("Ahead", max_new_tokens=5))
        assert reply.lines[-1]["generated_text"] == expected_text("Ahead", 5)
