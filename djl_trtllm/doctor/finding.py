"""What one check has found: a fact, something to know, or a reason why the model would not start."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from djl_trtllm.errors import LoadError
from djl_trtllm.options.secrets import clean

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


class Outcome(enum.Enum):
    """How grave a finding is, the gravest first."""

    PROBLEM = "problem"
    NOTE = "note"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `text` names the value and what is allowed, `fix` what to do; both are whole sentences."""

    check: str
    outcome: Outcome
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.fix}".rstrip()

    def as_json(self) -> dict[str, str]:
        """Return it as JSON values."""
        return {"check": self.check, "outcome": self.outcome.value, "text": self.text, "fix": self.fix}


def ok(check: str, text: str) -> Finding:
    """Return a fact."""
    return Finding(check, Outcome.OK, clean(text))


def note(check: str, text: str, fix: str = "") -> Finding:
    """Return something to know."""
    return _parted(check, Outcome.NOTE, text, fix)


def problem(check: str, text: str, fix: str = "") -> Finding:
    """Return a reason why there would be no start."""
    return _parted(check, Outcome.PROBLEM, text, fix)


def problems(check: str, sentences: Iterable[str]) -> list[Finding]:
    """Return what a load would say against itself: a `LoadError`'s problems."""
    return [problem(check, sentence) for sentence in sentences]


def of_error(check: str, error: LoadError) -> list[Finding]:
    """Return a refusal of a load as findings."""
    return problems(check, error.problems)


def _parted(check: str, outcome: Outcome, text: str, fix: str) -> Finding:
    """Errors of a load end in what to do: after their first sentence."""
    if not fix:
        text, *rest = _SENTENCE_END.split(text, maxsplit=1)
        fix = "".join(rest)
    return Finding(check, outcome, clean(text), clean(fix))
