"""Canaries through DJL's engine=MPI on two ranks: no log of a rank holds one, as text and as JSON."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.support import canaries
from tests.support.http_client import post
from tests.support.mpi_jobs import Place, ranks_of, said

pytestmark = [pytest.mark.e2e, pytest.mark.long]

HEADERS = {name: value for name, value in canaries.HEADERS.items() if name != "requestId"}


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_two_ranks(compiled: Place, log_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (*canaries.SECRETS.items(), ("PYTHONFAULTHANDLER", "1")):
        monkeypatch.setenv(name, value)
    with compiled.serve(log_format=log_format) as server:
        for body in {**canaries.GOOD, **canaries.BAD}.values():
            post(server.url, body, **HEADERS)
        said(server, '"status":200')
        os.kill(ranks_of(server)[1], signal.SIGABRT)
        said(server, "Fatal Python error: Aborted")
        log = server.log_text()
    assert canaries.found(log) == []
    assert canaries.in_files(compiled.cache) == []
    if log_format == "json":
        records = [json.loads(line) for line in log.splitlines() if line.startswith('{"time"')]
        assert sum(record["message"] == "request ended" for record in records) >= len(canaries.GOOD)
        others = [record for record in records if record.get("rank")]
        assert all(record["level"] != "INFO" for record in others), "other ranks tell only what is wrong"
