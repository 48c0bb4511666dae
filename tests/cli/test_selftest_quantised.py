"""`djl-trtllm selftest` with every quantisation of the runtime that this machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.selftests import all_well, selftest

pytestmark = [pytest.mark.long, pytest.mark.compile, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("quantize", ["int8", "int4", "awq", "smoothquant"])
def test_every_quantisation(tmp_path: Path, quantize: str) -> None:
    report = tmp_path / "report.json"
    families = ("llama", "falcon")
    done = selftest("--quantize", quantize, "--families", ",".join(families), "--json", str(report))
    all_well(done, report, len(families))
