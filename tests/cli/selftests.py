"""The command `djl-trtllm selftest` on the runtime that this machine has, and what all is well means."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def selftest(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "djl_trtllm.cli.main", "selftest", "--runtime", "openvino", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def all_well(done: subprocess.CompletedProcess[str], report: Path, count: int) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(report.read_text())
    assert content["well"] is True
    assert [case["verdict"] for case in content["cases"]] == ["ok"] * count
    for case in content["cases"]:
        compared = {check["name"]: check["message"] for check in case["checks"]}
        if case["quantize"] == "none":
            assert compared["greedy, alone"] == compared["greedy, together"] == "144 tokens equal"
        else:
            assert "the floor is" in compared["agreement"]
