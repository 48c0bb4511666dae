"""One rank of one case: `python -m djl_trtllm.selftest.rank JOB`, by itself or under mpirun.

Loads the model as the handler does and makes the checks. Rank 0 appends a line of JSON to the job's `result` for
every check as it ends, so that what a crash leaves is known.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from djl_trtllm import ranks, service
from djl_trtllm.selftest import checks
from djl_trtllm.selftest.clients import Clients
from djl_trtllm.selftest.reference import MARGINS, Reference
from djl_trtllm.selftest.results import Results
from djl_trtllm.selftest.verdict import END, FAILED, LOAD, OK, Check

ITEM_CHARS = 1 << 20


def main() -> int:
    """Run one rank; 0 when all its checks are well."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rank, size = ranks.place(os.environ)
    results = Results(Path(job["result"]) if rank == 0 else None)
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


def _try(served: service.Service, job: dict[str, Any], results: Results) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
