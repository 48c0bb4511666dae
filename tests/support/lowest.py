"""A plugin for `make test-lowest`: which tests do not run where nothing heavy is installed.

A test that fails because one of `ABSENT` cannot be imported is skipped with that reason, and whole directories and
files that need them are named in `LEFT_OUT`. A run in which too few tests are left is an error.
"""

from __future__ import annotations

from collections.abc import Generator
from importlib.metadata import version
from pathlib import Path

import pytest

ABSENT = frozenset(
    {"torch", "openvino", "openvino_genai", "mpi4py", "starlette", "uvicorn", "uvloop", "openai", "jgo"}
)
ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = {
    "bench": "measures",
    "chaos": "the Java engine",
    "cli/test_check.py": "OpenVINO",
    "contract": "stand-ins, which are the same whatever the versions",
    "docker": "containers",
    "doctor/test_agreement.py": "OpenVINO",
    "doctor/test_broken.py": "OpenVINO",
    "doctor/test_compiling.py": "OpenVINO",
    "doctor/test_examples.py": "OpenVINO",
    "doctor/test_machine.py": "OpenVINO",
    "e2e": "the Java engine",
    "engines/building/test_quality_texts.py": "tokenizers made by a new release",
    "engines/openvino": "OpenVINO",
    "engines/test_registry.py::test_versions_are_of_what_is_installed": "OpenVINO",
    "engines/trtllm/test_build_child.py": "torch",
    "engines/trtllm/test_build_process.py": "torch",
    "engines/trtllm/test_follower.py": "MPI",
    "engines/trtllm/test_run_guides.py::test_a_bias_has_the_type_of_the_engines_logits": "torch",
    "families": "OpenVINO",
    "fuzz": "the Java engine",
    "local": "the Java engine",
    "mpi": "MPI",
    "partition/test_ranks.py": "MPI",
    "ranks/test_mpirun.py": "MPI",
    "selftest": "torch in processes of its own",
    "service/test_start.py::test_versions_are_those_of_what_runs": "OpenVINO",
    "test_compiled.py": "Cython",
}
"""Below tests/, with what they need."""
if version("transformers") < "4.44":
    LEFT_OUT |= {
        "formats/test_tgi.py": "a client of huggingface_hub 0.23",
        "text/test_template.py::test_rendering_is_that_of_transformers": "templates with tools, transformers 4.44",
    }
LEAST = 2_000


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what `LEFT_OUT` names."""
    try:
        name = collection_path.relative_to(ROOT).as_posix()
    except ValueError:
        return None
    return True if name in LEFT_OUT else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the single tests that `LEFT_OUT` names."""
    left_out = [item for item in items if item.nodeid.removeprefix("tests/").partition("[")[0] in LEFT_OUT]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skip, with its reason, what failed because a module of `ABSENT` is not there."""
    report = yield
    missing = _missing(call.excinfo.value if call.excinfo else None)
    if report.failed and missing:
        report.outcome = "skipped"
        report.longrepr = (
            str(item.path),
            item.location[1] or 0,
            f"the lowest versions come without {missing}",
        )
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out."""
    for name, needs in LEFT_OUT.items():
        terminalreporter.write_line(f"left out: tests/{name} ({needs})")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that has become too small to say anything."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    partial = session.config.option.keyword or any(".py" in str(name) for name in session.config.args)
    if reporter is None or partial or hasattr(session.config, "workerinput"):
        return
    passed = len(reporter.stats.get("passed", ()))
    if passed < LEAST and session.exitstatus == 0:
        reporter.write_line(f"only {passed} tests passed; {LEAST} are expected at least")
        session.exitstatus = 1


def _missing(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in ABSENT:
            return str(error.name)
        error = error.__cause__ or error.__context__
    return ""
