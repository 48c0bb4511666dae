"""One rank of one case: `python -m djl_trtllm.selftest.rank JOB`, by itself or under mpirun.

Loads the model as the handler does and makes the checks. Rank 0 appends a line of JSON to the job's `result` for
every check as it ends, so that what a crash leaves is known.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from djl_trtllm import ranks, service
from djl_trtllm.errors import DjlTrtllmError, OptionsError, UnsupportedModel
from djl_trtllm.selftest import checks
from djl_trtllm.selftest.clients import Clients
from djl_trtllm.selftest.reference import MARGINS, Reference
from djl_trtllm.selftest.verdict import FAILED, OK, UNSUPPORTED, Check, CheckFailed

ITEM_CHARS = 1 << 20
LOAD = "load"
END = "end"


def main() -> int:
    """Run one rank; 0 when all its checks are well."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rank, size = ranks.place(os.environ)
    results = _Results(Path(job["result"]) if rank == 0 else None)
    loaded = results.run(LOAD, lambda: service.load(job["options"], os.environ, ITEM_CHARS))
    if isinstance(loaded, service.Following):
        loaded.wait()
    elif loaded is not None:
        _try(loaded, job, results)
        results.run("close", loaded.close)
        results.add(Check(END, OK, 0.0))
    if size > 1 and results.worst:
        logging.shutdown()
        os._exit(results.worst)  # the end of MPI would wait for ranks that may be gone
    return results.worst


def _try(served: service.Service, job: dict[str, Any], results: _Results) -> None:
    quantize = job["quantize"]
    trial = checks.Trial(
        clients=Clients(served, job["patience"]),
        reference=Reference.load(Path(job["reference"])),
        margin=MARGINS[job["options"]["dtype"]],
        quantize=quantize,
    )
    for name, check in checks.of(quantize).items():
        results.run(name, functools.partial(check, trial))
        if served.lost:
            results.add(Check("engine", FAILED, 0.0, f"the engine was gone for good after {name}"))
            return


class _Results:
    """Where verdicts go. `worst` is 1 after any that is not ok."""

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
        """Write a verdict down at once."""
        if check.verdict != OK:
            self.worst = 1
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(dataclasses.asdict(check)) + "\n")


if __name__ == "__main__":
    sys.exit(main())
