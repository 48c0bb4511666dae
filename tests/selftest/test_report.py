from __future__ import annotations

import json

import pytest

from djl_trtllm.selftest import report
from djl_trtllm.selftest.cases import Case, Refused
from djl_trtllm.selftest.report import Outcome, Report
from djl_trtllm.selftest.verdict import FAILED, OK, UNSUPPORTED, Check

CASE = Case("trtllm", "llama", "awq", 2, ("fp16",))


def made(*outcomes: Outcome, probe: tuple[Check, ...] = ()) -> Report:
    gpu = {"name": "NVIDIA L4", "capability": "8.9", "memory_gib": 24.0}
    return Report(
        "trtllm",
        2,
        {"djl_trtllm": "0.1.0"},
        {"gpus": [gpu]},
        [Refused("falcon", "awq", "It is 0.12.0. Choose int8.")],
        probe,
        list(outcomes),
    )


GOOD = Outcome(CASE, "fp16", [Check("load", OK, 12.34), Check("seed", OK, 0.1), Check("close", OK, 0.1)])
BAD = Outcome(
    CASE, "fp16", [Check("load", OK, 1.0), Check("seed", FAILED, 0.1, "other tokens")], log="said /a/b/c"
)
REFUSED = Outcome(CASE, "fp16", [Check("load", UNSUPPORTED, 1.0, "no such thing")])


def test_all_well_needs_a_case_and_no_failure() -> None:
    assert made(GOOD).well
    assert made(GOOD, REFUSED).well
    assert not made().well
    assert not made(REFUSED).well
    assert not made(GOOD, BAD).well
    assert not made(GOOD, probe=(Check("Request", FAILED, 0.0, "TypeError"),)).well


def test_a_case_without_any_check_has_failed() -> None:
    assert Outcome(CASE, "fp16", []).verdict == FAILED
    assert (GOOD.verdict, BAD.verdict, REFUSED.verdict) == (OK, FAILED, UNSUPPORTED)


def test_the_table() -> None:
    assert report.row(GOOD) == "llama         awq          fp16     12.3 s      1/1  ok"
    assert report.row(BAD).splitlines()[1] == "    seed: other tokens"
    assert len(report.COLUMNS.partition("dtype")[0]) == len(report.row(GOOD).partition("fp16")[0])
    lines = report.heading(made()).splitlines()
    assert lines[:2] == ["runtime trtllm, 2 ranks, on 1 x NVIDIA L4", "djl_trtllm 0.1.0"]


def test_the_end_names_what_is_not_supported_and_what_the_probe_found() -> None:
    refused = Check("Request", FAILED, 0.0, "TypeError")
    assert report.closing(made(GOOD, probe=(refused, Check("LLM", OK, 0.0)))).splitlines() == [
        "probe: Request: TypeError",
        "not supported: falcon awq: It is 0.12.0.",
        "1 of 1 cases are well.",
    ]
    assert report.closing(made(GOOD, probe=(Check("LLM", OK, 0.0),))).startswith("probe: 1 types take")


def test_json_has_logs_of_failures_only_and_no_paths() -> None:
    content = json.loads(json.dumps(made(GOOD, BAD).as_json()))
    assert [case["log"] for case in content["cases"]] == ["", "said …/c"]
    assert (content["well"], content["format"], content["not_supported"][0]["why"][-5:]) == (
        False,
        1,
        "int8.",
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("no file /home/ann/models/x.engine here", "no file …/x.engine here"),
        ('File "/opt/a b/c.py"', 'File "…/a b/c.py"'),
        ("in '/tmp/x/' and (/var/y/z)", "in '…/' and (…/z)"),
        ("~/models/llama is missing", "…/llama is missing"),
        ("tp/pp and 1/2 stay, and https://host/a/b/c too", "tp/pp and 1/2 stay, and https://host/a/b/c too"),
        ("HF_TOKEN=abc hf_abcdefghijkl sk-abcdefghijk", "HF_<secret> <secret> <secret>"),
        ("token=abcdef", "<secret>"),
    ],
)
def test_scrubbing(text: str, left: str) -> None:
    assert report.scrub({"a": [text, 1, None, True]}) == {"a": [left, 1, None, True]}
