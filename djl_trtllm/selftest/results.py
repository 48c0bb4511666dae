"""Where a child writes its verdicts down, each at once, and where its parent reads them."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from djl_trtllm.errors import DjlTrtllmError, OptionsError, UnsupportedModel
from djl_trtllm.selftest.verdict import FAILED, LOAD, OK, UNSUPPORTED, Check, CheckFailed


class Results:
    """The verdicts of one process; without a file they are only counted. `worst` is 1 after any that is not ok."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.worst = 0

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        """Do `work` under a name; its text, or its error, is the message. Returns what it returned."""
        started = time.monotonic()
        result = None
        try:
            result = work()
            verdict, message = OK, result if isinstance(result, str) else ""
        except (OptionsError, UnsupportedModel) as error:
            verdict, message = UNSUPPORTED if name == LOAD else FAILED, str(error)
        except (CheckFailed, DjlTrtllmError) as error:
            verdict, message = FAILED, str(error)
        except Exception as error:
            logging.exception("%s failed", name)
            verdict, message = FAILED, f"{type(error).__name__}: {error}"
        self.add(Check(name, verdict, round(time.monotonic() - started, 3), message))
        return result

    def add(self, check: Check) -> None:
        """Write a verdict down."""
        if check.verdict != OK:
            self.worst = 1
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(dataclasses.asdict(check)) + "\n")


def read(file: Path) -> list[Check]:
    """Read the verdicts that were written; a line that was not finished counts for nothing."""
    if not file.exists():
        return []
    whole = [line for line in file.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return [Check(**json.loads(line)) for line in whole]
