from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from djl_trtllm.selftest import machine, processes, run
from djl_trtllm.selftest.cases import Case, Refused
from djl_trtllm.selftest.results import Results
from djl_trtllm.selftest.verdict import END, FAILED, LOAD, OK, UNSUPPORTED, Check

LLAMA = Case("trtllm", "llama", "none", 2, ("fp32", "fp16"))
GPT2 = Case("trtllm", "gpt2", "awq", 2, ("fp16",))
Child = Callable[[str, dict, Results, Path], str]
ALL = (Check(LOAD, OK, 1.0), Check("seed", OK, 0.1), Check(END, OK, 0.0))


@pytest.fixture
def selftest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run cases whose ranks are a function; returns the report and what was said."""

    def do(child: Child, *cases: Case, problems: dict[str, str] | None = None):
        def ranks(module: str, job: Path, count: int, log: Path, seconds: float) -> str:
            content = json.loads(job.read_text())
            log.write_text("the last words\n")
            if module.endswith("probe"):
                Results(Path(content["result"])).add(Check(END, OK, 0.0))
                return ""
            assert count == 2
            return child(content["options"]["dtype"], content, Results(Path(content["result"])), log)

        def make(root: Path, families, log: Path, seconds: float):
            for family in families:
                yield family, (problems or {}).get(family, "")

        monkeypatch.setattr(processes, "run_ranks", ranks)
        monkeypatch.setattr(processes, "make_models", make)
        monkeypatch.setattr(machine, "describe", lambda: {"gpus": []})
        said: list[str] = []
        settings = run.Settings("trtllm", 2, 30.0, tmp_path / "kept")
        report = run.run(cases, [Refused("falcon", "awq", "no")], settings, said.append)
        left = [path.name for path in (tmp_path / "kept").iterdir()]
        assert left == [], "nothing but what is kept stays"
        return report, "\n".join(said)

    return do


def well(dtype: str, job: dict, results: Results, log: Path) -> str:
    for check in ALL:
        results.add(check)
    return ""


def test_cases_that_go_well(selftest) -> None:
    report, said = selftest(well, LLAMA, GPT2)
    assert report.well
    assert [outcome.dtype for outcome in report.outcomes] == ["fp32", "fp16"]
    assert said.endswith("2 of 2 cases are well.")


def test_a_crash_costs_its_case(selftest) -> None:
    def child(dtype: str, job: dict, results: Results, log: Path) -> str:
        if job["quantize"]:
            return well(dtype, job, results, log)
        results.add(ALL[0])
        return "ended by signal 11 (SIGSEGV)"

    report, said = selftest(child, LLAMA, GPT2)
    first, second = report.outcomes
    assert (first.verdict, second.verdict, report.well) == (FAILED, OK, False)
    assert first.checks[-1].message == "the process ended by signal 11 (SIGSEGV): the last words"
    assert "process: the process ended by signal 11" in said


def test_a_case_that_ends_early_but_well_has_failed(selftest) -> None:
    def child(dtype: str, job: dict, results: Results, log: Path) -> str:
        results.add(ALL[0])
        return ""

    report, _ = selftest(child, LLAMA)
    assert report.outcomes[0].checks[-1].message.startswith("the process ended before all checks were made")


def test_another_rank_that_ends_badly_is_a_failure(selftest) -> None:
    def child(dtype: str, job: dict, results: Results, log: Path) -> str:
        well(dtype, job, results, log)
        return "ended with status 1"

    report, _ = selftest(child, GPT2)
    assert report.outcomes[0].verdict == FAILED


def test_what_cannot_be_loaded_as_fp32_is_tried_as_fp16(selftest) -> None:
    def child(dtype: str, job: dict, results: Results, log: Path) -> str:
        if dtype == "fp32":
            results.add(Check(LOAD, FAILED, 1.0, "no kernel"))
            results.add(Check(END, OK, 0.0))
            return "ended with status 1"
        return well(dtype, job, results, log)

    report, _ = selftest(child, LLAMA)
    (outcome,) = report.outcomes
    assert (outcome.dtype, outcome.verdict) == ("fp16", OK)
    assert list(outcome.notes) == ["fp32 could not be loaded: no kernel"]


def test_a_wrong_answer_in_fp32_is_not_hidden_by_fp16(selftest) -> None:
    def child(dtype: str, job: dict, results: Results, log: Path) -> str:
        assert dtype == "fp32"
        for check in (ALL[0], Check("seed", FAILED, 0.1, "other tokens"), ALL[2]):
            results.add(check)
        return "ended with status 1"

    report, _ = selftest(child, LLAMA)
    assert [check.name for check in report.outcomes[0].checks] == [LOAD, "seed"]
    assert report.outcomes[0].verdict == FAILED


def test_a_load_that_refuses_is_not_a_failure(selftest) -> None:
    def child(dtype: str, job: dict, results: Results, log: Path) -> str:
        results.add(Check(LOAD, UNSUPPORTED, 1.0, "no such quantisation"))
        return "ended with status 1"

    report, said = selftest(child, GPT2)
    assert report.outcomes[0].verdict == UNSUPPORTED
    assert not report.well
    assert "load: no such quantisation" in said


def test_a_checkpoint_that_cannot_be_made_fails_its_cases(selftest) -> None:
    report, _ = selftest(well, LLAMA, GPT2, problems={"llama": "ValueError: unknown"})
    assert [outcome.verdict for outcome in report.outcomes] == [FAILED, OK]
    assert report.outcomes[0].checks[0].message == "ValueError: unknown"
