from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.selftest import probe, results
from tests.contract.tensorrt_llm_stand_in import ROWS, installed, version
from tests.contract.tensorrt_llm_stand_in.rows import minor

ENGINES = [row for row in ROWS if minor(row) < (1, 3)]
PYTORCH = [row for row in ROWS if minor(row) >= (1, 0)]


def names(runtime: str, row: str) -> list[str]:
    found = []
    for name, construct in probe.probes(runtime, Release.of(version(row))):
        assert construct() is not None, name
        found.append(name)
    return found


@pytest.mark.parametrize("row", ENGINES)
def test_every_release_takes_what_is_passed(row: str) -> None:
    with installed(row) as recorder:
        made = names("trtllm", row)
        called = {call.symbol.rpartition(".")[2] for call in recorder.calls}
    assert {"Mapping", "BuildConfig", "PluginConfig"} <= called
    if row == "0.8.0":
        assert {"InferenceRequest", "TrtGptModelOptionalParams"} <= called
    else:
        assert {"Request", "SamplingConfig", "OutputConfig", "ExecutorConfig", "ParallelConfig"} <= called
        assert {"KvCacheConfig", "SchedulerConfig"} <= called
    assert len(set(made)) == len(made) >= 13
    assert ("GuidedDecodingConfig" in made) is (minor(row) >= (0, 16))
    assert any(name.endswith("Request, biases") for name in made)


@pytest.mark.parametrize("row", PYTORCH)
def test_the_llm_api_takes_what_is_passed(row: str) -> None:
    with installed(row) as recorder:
        made = names("trtllm-pytorch", row)
        called = {call.symbol.rpartition(".")[2] for call in recorder.calls}
    assert {"KvCacheConfig", "SchedulerConfig", "SamplingParams"} <= called
    assert {name for name in made if name.startswith("SamplingParams")} >= {
        f"SamplingParams, {n}" for n in probe.SAMPLING
    }
    assert "SamplingParams, JSON schema" in made


def test_what_a_release_refuses_is_found() -> None:
    with installed("0.12.0"):
        refused = [n for n, construct in probe.probes("trtllm", Release(1, 2)) if not takes(construct)]
    assert "ExecutorConfig, all options" in refused
    assert "BuildConfig, all options" in refused
    assert "Request, greedy" not in refused


def takes(construct: Callable[[], object]) -> bool:
    try:
        construct()
    except (TypeError, AttributeError):
        return False
    return True


def test_verdicts_are_written_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = tmp_path / "job"
    job.write_text(json.dumps({"runtime": "trtllm", "result": str(tmp_path / "result")}))
    monkeypatch.setattr("sys.argv", ["probe", str(job)])

    def broken() -> object:
        raise TypeError("max_tokens is no argument")

    monkeypatch.setattr(probe, "probes", lambda runtime, release: [("Good", object), ("Request", broken)])
    monkeypatch.setattr(probe, "installed", lambda: Release(0, 12))
    assert probe.main() == 0
    said = results.read(tmp_path / "result")
    assert [(check.name, check.verdict) for check in said] == [
        ("Good", "ok"),
        ("Request", "failed"),
        ("end", "ok"),
    ]
    assert said[1].message == "TypeError: max_tokens is no argument"


def test_there_is_nothing_to_probe_on_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = tmp_path / "job"
    job.write_text(json.dumps({"runtime": "openvino", "result": str(tmp_path / "result")}))
    monkeypatch.setattr("sys.argv", ["probe", str(job)])
    assert probe.main() == 0
    assert [check.name for check in results.read(tmp_path / "result")] == ["end"]


def test_a_line_that_was_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "result").write_text(
        '{"name": "a", "verdict": "ok", "seconds": 1.0, "message": ""}\n{"name": "b", '
    )
    assert [check.name for check in results.read(tmp_path / "result")] == ["a"]
    assert results.read(tmp_path / "none") == []
