"""One rank of the stand-in under mpirun, for tests: `python -m tests.contract.stand_in_rank WHAT ENGINE OUT`.

What it found goes to `OUT<rank>` as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.contract.stand_in_executor_kit import Subject

PROMPTS = [[300 + number, 301] for number in range(16)]


def executor(row: str, directory: Path) -> Subject:
    """Open an executor on this rank."""
    from tensorrt_llm.bindings import executor as module

    made = module.Executor(
        model_path=directory,
        model_type=module.ModelType.DECODER_ONLY,
        executor_config=module.ExecutorConfig(max_beam_width=1),
    )
    return Subject(row, module, made)


def serve(rank: int, row: str, directory: Path) -> dict[str, Any]:
    """Twice: open, answer, idle, close. Then a step in which rank 1 raises."""
    found: dict[str, Any] = {"opened": 0}
    for _ in range(2):
        subject = executor(row, directory)
        found["opened"] += 1
        found["can_enqueue"] = subject.executor.can_enqueue_requests()
        if rank > 0:
            before, begun = time.process_time(), time.monotonic()
            found["refusal"] = refusal(subject)
            subject.executor.shutdown()
            found["busy"] = (time.process_time() - before) / (time.monotonic() - begun)
            continue
        answers = subject.run(*(subject.request(prompt, 20) for prompt in PROMPTS))
        found["tokens"] = [answer.tokens() for answer in answers]
        time.sleep(0.3)
        begun = time.monotonic()
        again = subject.run(subject.request(PROMPTS[0], 200))[0]
        found.setdefault("errors", []).append(again.error)
        subject.executor.shutdown()
        found["shutdown_seconds"] = time.monotonic() - begun
    return found


def refusal(subject: Subject) -> str:
    """Return what a rank that does not lead says to a request."""
    try:
        subject.enqueue(subject.request([300]))
    except RuntimeError as error:
        return str(error)
    return ""


def killed(rank: int, row: str, directory: Path) -> dict[str, Any]:
    """Answer until the other rank is gone."""
    subject = executor(row, directory)
    if rank > 0:
        subject.executor.shutdown()
        return {}
    answers = subject.run(*(subject.request(prompt, 900) for prompt in PROMPTS[:2]))
    return {"errors": [answer.error for answer in answers]}


def manage(rank: int, row: str, directory: Path) -> dict[str, Any]:
    """Run the manager of 0.8 on both ranks; the requests are shared by the callback, as its callers do."""
    import torch
    from mpi4py import MPI
    from tensorrt_llm import bindings

    comm = MPI.COMM_WORLD.Dup()
    waiting = list(enumerate(PROMPTS[:4])) if rank == 0 else []
    tokens: dict[int, list[int]] = {}
    left = {number for number, _ in enumerate(PROMPTS[:4])}
    ended = threading.Event()

    def fetch(room: int) -> list[Any]:
        taken, waiting[:] = waiting[:room], waiting[room:]
        requests = []
        for number, prompt in comm.bcast(taken):
            request = bindings.InferenceRequest(number)
            request.input_ids = torch.tensor([prompt], dtype=torch.int32)
            request.max_new_tokens = torch.tensor([[20]], dtype=torch.int32)
            request.is_streaming = True
            requests.append(request)
        if not left:
            requests.append(bindings.InferenceRequest(99))
            ended.set()
        return requests

    def respond(number: int, tensors: list[Any], final: bool, error: str) -> None:
        values = {tensor.name: tensor.tensor for tensor in tensors}
        length = int(values["sequence_length"][0, 0])
        tokens.setdefault(number, []).extend(values["output_ids"][0, 0, :length].tolist())
        if final:
            left.discard(number)

    manager = bindings.GptManager(
        trt_engine_path=directory,
        model_type=bindings.TrtGptModelType.InflightFusedBatching,
        max_beam_width=1,
        scheduler_policy=bindings.SchedulerPolicy.MAX_UTILIZATION,
        get_inference_requests_cb=fetch,
        send_response_cb=respond,
        terminate_req_id=99,
    )
    ended.wait()
    manager.shutdown()
    return {"tokens": [tokens[number] for number in sorted(tokens)]}


def main() -> None:
    """Do what the command line says and write what was found."""
    what, row, directory, out = sys.argv[1:]
    rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
    found = {"serve": serve, "killed": killed, "manage": manage}[what](rank, row, Path(directory))
    Path(f"{out}{rank}").write_text(json.dumps(found), encoding="utf-8")
    if what == "killed":
        os._exit(3)


if __name__ == "__main__":
    main()
