"""Options read as far as they can be: one mistake must not hide what other checks find."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from djl_trtllm.errors import OptionsError
from djl_trtllm.options import sources
from djl_trtllm.options.table import ALIASES, SPECS, Options

FLAG = "--option"
_KEY = re.compile(r"(?:option\.)?([A-Za-z_][\w.-]*)[= ]")


@dataclass(frozen=True, slots=True)
class Read:
    """The options, those left out that are wrong, and what is wrong with them, as a load would say it."""

    options: Options
    problems: tuple[str, ...]


def read(
    properties: Mapping[str, object],
    environ: Mapping[str, str],
    flags: Mapping[str, str],
    lowest: tuple[str, Mapping[str, str]] | None,
) -> Read:
    """Read options, leave out what is wrong, and read again: one mistake must not hide what other checks find."""
    passed, variables, said, problems = dict(properties), dict(environ), dict(flags), dict[str, None]()
    while True:
        try:
            found = sources.read(passed, variables, lowest=lowest, highest=(FLAG, said))
            return Read(found, tuple(problems))
        except OptionsError as error:  # noqa: PERF203
            problems |= dict.fromkeys(error.problems)
            if not _without(error.problems, passed, variables, said):
                passed, variables, said, lowest = {"model_dir": passed["model_dir"]}, {}, {}, None


def _without(
    problems: Sequence[str], passed: dict[str, object], environ: dict[str, str], flags: dict[str, str]
) -> bool:
    """Take out the values that problems begin with, so that the rest can be read. Whether any was there."""
    found = False
    for sentence in problems:
        if match := _KEY.match(sentence):
            name = match[1].lower()
            spec = SPECS.get(ALIASES.get(name, name))
            variables = {f"option_{name}", (spec.env or "").lower() if spec else ""}
            for key in [k for k in passed if k.lower() in (name, f"option.{name}")]:
                found |= passed.pop(key) is not None
            for key in [k for k in environ if k.lower() in variables]:
                found |= environ.pop(key) is not None
            for key in [k for k in flags if k.lower() in (name, f"option.{name}")]:
                found |= flags.pop(key) is not None
    return found
