"""The whole selftest: checkpoints are made, then each case runs in processes of its own, and a report comes of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.selftest import cases, machine, models, probe, processes, rank, report, results
from djl_trtllm.selftest.cases import PLAIN, Case, Refused
from djl_trtllm.selftest.report import Outcome, Report
from djl_trtllm.selftest.verdict import END, FAILED, LOAD, OK, UNSUPPORTED, Check

Say = Callable[[str], None]
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run. `root` keeps checkpoints and references for the next run. `seconds` is the limit of one case."""

    runtime: str
    ranks: int
    seconds: float
    root: Path


def prepare(chosen: Sequence[Case], settings: Settings, say: Say) -> dict[str, str]:
    """Make the checkpoints and references that are missing; return what went wrong by family."""
    families = list(dict.fromkeys(case.family for case in chosen))
    missing = [family for family in families if not _ready(settings.root / family)]
    if missing:
        say(f"making {len(missing)} tiny checkpoints and asking transformers about them")
    log = _made(settings.root) / "models.log"
    made = processes.make_models(settings.root, missing, log, settings.seconds)
    return {family: problem for family, problem in made if problem}


def _ready(directory: Path) -> bool:
    return (directory / models.MODEL).is_dir() and (directory / models.REFERENCE).is_file()


def run(chosen: Sequence[Case], refused: Sequence[Refused], settings: Settings, say: Say) -> Report:
    """Run the probe and every case, saying each line of the table when it is known."""
    result = Report(settings.runtime, settings.ranks, machine.versions(), machine.describe(), refused)
    say(report.heading(result))
    result.probe = _probe(settings)
    problems = prepare(chosen, settings, say)
    say(report.COLUMNS)
    for case in chosen:
        outcome = (
            Outcome(case, case.dtypes[0], [Check("checkpoint", FAILED, 0.0, problems[case.family])])
            if case.family in problems
            else _case(case, settings)
        )
        result.outcomes.append(outcome)
        say(report.row(outcome))
    say("\n" + report.closing(result))
    return result


def _probe(settings: Settings) -> list[Check]:
    with tempfile.TemporaryDirectory(prefix="probe-", dir=_made(settings.root)) as scratch:
        place = Path(scratch)
        job = {"runtime": settings.runtime, "result": str(place / "result")}
        (place / "job").write_text(json.dumps(job), encoding="utf-8")
        log = place / "log"
        ended = processes.run_ranks(probe.__name__, place / "job", 1, log, settings.seconds)
        said = results.read(place / "result")
        if END not in [check.name for check in said]:
            how = f"the process {ended or 'ended early'}: {processes.tail(log, 4)}"
            said.append(Check("process", FAILED, 0.0, how))
        return [check for check in said if check.name != END]


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _case(case: Case, settings: Settings) -> Outcome:
    """Try the types of a case in order: what cannot be loaded as fp32 is served as fp16, with a note."""
    notes: list[str] = []
    outcome = None
    for dtype in case.dtypes:
        outcome = _attempt(case, dtype, settings, notes)
        loaded = any(check.name == LOAD and check.verdict == OK for check in outcome.checks)
        if loaded or outcome.verdict == OK:
            return outcome
        notes.append(f"{dtype} could not be loaded: {_first_problem(outcome)}")
    assert outcome is not None  # noqa: S101 - a case has a dtype
    return outcome


def _attempt(case: Case, dtype: str, settings: Settings, notes: Sequence[str]) -> Outcome:
    # A name of its own for every attempt, so that nothing of an earlier run is taken for this one's.
    with tempfile.TemporaryDirectory(prefix=f"{case.name}-{dtype}-", dir=settings.root) as scratch:
        place = Path(scratch)
        family = settings.root / case.family
        result, log = place / "result", place / "log"
        job = {
            "options": case.options(family / models.MODEL, place / "cache", dtype, settings.seconds),
            "quantize": "" if case.quantize == PLAIN else case.quantize,
            "reference": str(family / models.REFERENCE),
            "result": str(result),
            "patience": min(_PATIENCE, settings.seconds),
        }
        (place / "job").write_text(json.dumps(job), encoding="utf-8")
        count = cases.processes(case.runtime, case.ranks)
        ended = processes.run_ranks(rank.__name__, place / "job", count, log, settings.seconds)
        checks = results.read(result)
        said = [check for check in checks if check.name != END]
        complete = len(said) < len(checks) or any(check.verdict != OK for check in said)
        if not complete or (ended and all(check.verdict == OK for check in said)):
            how = f"the process {ended or 'ended before all checks were made'}: {processes.tail(log, 4)}"
            said.append(Check("process", FAILED, 0.0, how))
        shutil.rmtree(place / "cache", ignore_errors=True)
        return Outcome(case, dtype, said, tuple(notes), processes.tail(log, 30))


def _first_problem(outcome: Outcome) -> str:
    wrong = [check for check in outcome.checks if check.verdict in (FAILED, UNSUPPORTED)]
    return wrong[0].message if wrong else "no reason was given"
