"""What a selftest says: a table for the terminal, and JSON that can be attached to a bug report as it is."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from djl_trtllm.selftest.cases import PLAIN, Case, Refused
from djl_trtllm.selftest.verdict import FAILED, OK, UNSUPPORTED, Check

_PATH = re.compile(r"(?<![\w./:~])(?:~|file://)?/(?:[^\s/'\"`:,;()<>|]+/)+([^\s/'\"`:,;()<>|]*)")
_SECRET = re.compile(r"\b(hf_|sk-|AKIA|ghp_)[A-Za-z0-9_-]{8,}|(?i:(token|secret|password)=)\S+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case went. `dtype` is what was loaded, or tried last; `notes` say what was tried before."""

    case: Case
    dtype: str
    checks: Sequence[Check]
    notes: Sequence[str] = ()
    log: str = ""

    @property
    def verdict(self) -> str:
        """`ok`, `failed`, or `not supported` when loading said so."""
        found = [check.verdict for check in self.checks]
        if FAILED in found or not found:
            return FAILED
        return UNSUPPORTED if UNSUPPORTED in found else OK

    def seconds(self, name: str) -> float:
        """How long a check took."""
        return sum(check.seconds for check in self.checks if check.name == name)


@dataclass(slots=True)
class Report:
    """Everything that a run found."""

    runtime: str
    ranks: int
    versions: Mapping[str, str]
    machine: Mapping[str, object]
    refused: Sequence[Refused] = ()
    probe: Sequence[Check] = ()
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether there were cases, none failed, and the probe refused nothing."""
        ok = [outcome.verdict for outcome in self.outcomes]
        return OK in ok and FAILED not in ok and all(check.verdict != FAILED for check in self.probe)

    def as_json(self) -> dict[str, object]:
        """Return the report without paths and secrets; prompts and tokens of the tiny models are no secrets."""
        content = {
            "format": 1,
            "well": self.well,
            "runtime": self.runtime,
            "ranks": self.ranks,
            "versions": dict(self.versions),
            "machine": dict(self.machine),
            "probe": [dataclasses.asdict(check) for check in self.probe],
            "cases": [_as_json(outcome) for outcome in self.outcomes],
            "not_supported": [dataclasses.asdict(refused) for refused in self.refused],
        }
        scrubbed = scrub(content)
        assert isinstance(scrubbed, dict)  # noqa: S101 - as it was
        return scrubbed


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "family": outcome.case.family,
        "quantize": outcome.case.quantize,
        "dtype": outcome.dtype,
        "verdict": outcome.verdict,
        "notes": list(outcome.notes),
        "checks": [dataclasses.asdict(check) for check in outcome.checks],
        "log": outcome.log if outcome.verdict == FAILED else "",
    }


def scrub(value: object) -> object:
    """Take directories out of every text, leaving the last name, and what looks like a secret."""
    if isinstance(value, str):
        return _SECRET.sub("<secret>", _PATH.sub(r"…/\1", value))
    if isinstance(value, Mapping):
        return {key: scrub(part) for key, part in value.items()}
    if isinstance(value, Sequence):
        return [scrub(part) for part in value]
    return value


def heading(report: Report) -> str:
    """Return the first lines: what is tested on what."""
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    gpus = report.machine.get("gpus")
    names = Counter(str(gpu["name"]) for gpu in gpus) if isinstance(gpus, list) else Counter()
    ranks = "1 rank" if report.ranks == 1 else f"{report.ranks} ranks"
    some = ", ".join(f"{count} x {name}" for name, count in names.items())
    where = some or f"no GPU, {report.machine.get('processor')}"
    return f"runtime {report.runtime}, {ranks}, on {where}\n{versions}\n"


COLUMNS = f"{'family':<14}{'quantize':<13}{'dtype':<7}{'load':>8}{'checks':>9}  result"


def row(outcome: Outcome) -> str:
    """Return the line of one case, and a line for each check that went wrong."""
    made = [check for check in outcome.checks if check.name not in ("load", "close")]
    well = sum(check.verdict == OK for check in made)
    first = (
        f"{outcome.case.family:<14}{_shown(outcome.case.quantize):<13}{outcome.dtype:<7}"
        f"{outcome.seconds('load'):>6.1f} s{f'{well}/{len(made)}':>9}  {outcome.verdict}"
    )
    bad = [check for check in outcome.checks if check.verdict != OK]
    return "\n".join([first, *(f"    {check.name}: {check.message}" for check in bad)])


def closing(report: Report) -> str:
    """Return the last lines: the probe, what is not supported and why in one sentence, and the count."""
    lines = [f"probe: {check.name}: {check.message}" for check in report.probe if check.verdict != OK]
    if report.probe and not lines:
        lines.append(f"probe: {len(report.probe)} types take the arguments that are passed to them")
    lines += [
        f"not supported: {r.family} {_shown(r.quantize)}: {r.why.split('. ')[0].rstrip('.')}."
        for r in report.refused
    ]
    well = sum(outcome.verdict == OK for outcome in report.outcomes)
    supported = sum(outcome.verdict != UNSUPPORTED for outcome in report.outcomes)
    lines.append(f"{well} of {supported} cases are well.")
    return "\n".join(lines)


def _shown(quantize: str) -> str:
    return "-" if quantize == PLAIN else quantize
