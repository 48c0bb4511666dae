"""One rank of a TensorRT-LLM engine under mpirun, for tests: `python -m tests.support.trtllm_rank ENGINE OUT`.

Rank 0 answers requests through a supervised engine until it is told to close; what it found goes to `OUT` as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from djl_trtllm import ranks
from djl_trtllm.core import CompiledModel, EngineRequest, SamplingParams, Team
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.engines.trtllm.runtime import TensorRTLLM
from djl_trtllm.errors import EngineRestarting
from tests.support.collector import Collector
from tests.support.trtllm_engines import options

PROMPTS = [[300 + number, 301] for number in range(8)]
NEW = 20


def lead(model: CompiledModel, team: Team) -> dict[str, Any]:
    """Answer, answer at length, which is where a fault breaks it, answer again, close."""
    runtime, news, ids = TensorRTLLM(), Collector(), count(1)
    engine = Supervisor(lambda: runtime.engine(model, options(), team), delay=0.05)
    engine.open(news)

    def run(most: int) -> list[EngineRequest]:
        requests = [EngineRequest(next(ids), p, SamplingParams(most, ignore_eos=True)) for p in PROMPTS]
        engine.submit(requests)
        news.wait_ended(r.id for r in requests)
        return requests

    found: dict[str, Any] = {"first": [news.tokens(r.id) for r in run(NEW)]}
    gone = run(500)
    found["broke"] = [isinstance(news.error(r.id), EngineRestarting) for r in gone]
    found["second"] = [news.tokens(r.id) for r in run(NEW)]
    begun = time.monotonic()
    engine.close()
    return {
        **found,
        "close": time.monotonic() - begun,
        "violations": news.violations,
        "deaths": len(news.deaths),
    }


def main() -> None:
    engine, out = sys.argv[1:]
    model = CompiledModel(Path(engine), "two ranks", runtime="trtllm")
    team = ranks.join(os.environ, 60)
    try:
        if team.rank == 0:
            Path(out).write_text(json.dumps(lead(model, team)))
        else:
            follower = TensorRTLLM().follower(model, options(), team)
            follower.open()
            follower.run()
    except BaseException as error:
        print(error, flush=True)
        os._exit(1)
    print(team.rank, "is done", flush=True)
    team.within(30)
    team.agree()  # The first to end takes the others with it, and MPI cannot be ended while the team listens.
    os._exit(0)


if __name__ == "__main__":
    main()
