"""Models for DJL's engine=MPI on two ranks: TensorRT-LLM's stand-in on stub GPUs, and what it must answer."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tokenizers import Tokenizer

from djl_trtllm.local import processes
from tests.contract import tensorrt_llm_stand_in as stand_in
from tests.support import cuda_stub, tiny
from tests.support.model_dirs import properties
from tests.support.server import Server, ServerFailed, serve

ROW = "0.12.0"
RANKS = 2
GPU = {"name": cuda_stub.A100, "capability": "8.0", "count": RANKS}
STEP = 0.002
"""Seconds of a decoding step: streams last long enough to be caught in the middle."""


@dataclass
class Place:
    """Where the servers of a test keep what is compiled, and the stand-in's record of the calls it got."""

    root: Path
    loads: int = 0
    built: list[Mapping[str, object]] = field(default_factory=list)

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def record(self) -> Path:
        return self.root / f"calls-{self.loads}.jsonl"

    def building(self) -> list[str]:
        """What builds have left behind, or are at."""
        return [path.name for path in (self.cache / "building").iterdir()]

    def calls(self, method: str) -> list[Mapping[str, object]]:
        """The calls of the last server's processes, by the method's name."""
        if not self.record.exists():
            return []
        calls = [json.loads(line) for line in self.record.read_text().splitlines()]
        return [call for call in calls if call["method"] == method]

    def model(self, **options: object) -> Path:
        """Write a model directory of a tiny llama on 2 ranks."""
        self.loads += 1
        model = self.root / f"model-{self.loads}"
        model.mkdir(parents=True)
        values = {
            "model_id": tiny.checkpoint("llama"),
            "entryPoint": "djl_trtllm.handler",
            "tensor_parallel_degree": RANKS,
            "rolling_batch": "trtllm",
            "max_rolling_batch_size": 64,
            "max_input_len": 256,
            "max_output_len": 300,
            "retry_threshold": 10,
            "cache_dir": self.cache,
            **options,
        }
        (model / "serving.properties").write_text(properties(**values))
        return model

    def environment(self, faults: object = ()) -> dict[str, str]:
        """What makes a process find the stand-in and the GPUs."""
        return {
            **stand_in.environment(ROW, gpu=GPU, log=str(self.record), step=STEP, faults=faults),
            **cuda_stub.environment(RANKS),
        }

    @contextmanager
    def serve(
        self, djl: str = "0.34.0", faults: object = (), wait: bool = True, **options: object
    ) -> Iterator[Server]:
        """Start DJL's engine=MPI on a tiny llama, with 2 ranks."""
        model = self.model(**options)
        environment = self.environment(faults)
        more = {"chunked_read_timeout": 3}
        with serve(model, engine="MPI", djl=djl, env=environment, options=more, wait=wait) as server:
            yield server


@functools.cache
def _tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(tiny.checkpoint("llama") / "tokenizer.json"))


def expected_text(prompt: str, count: int) -> str:
    """The text of `count` tokens: the bytes of each, as the vocabulary spells them, read as UTF-8."""
    tokenizer = _tokenizer()
    ids = stand_in.expected_tokens(tokenizer.encode(prompt).ids, count, vocab_size=tiny.VOCAB_SIZE)
    return b"".join(_bytes(tokenizer.id_to_token(i)) for i in ids).decode("utf-8", "replace")


def _bytes(token: str) -> bytes:
    if token.startswith("<0x") and token.endswith(">"):
        return bytes([int(token[3:-1], 16)])
    return token.replace("\u2581", " ").encode()


def wait_for(what: str, condition: Callable[[], bool], server: Server, seconds: float = 90) -> float:
    """Wait until a condition holds; when it did, in seconds since 1970."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServerFailed(f"waited {seconds:.0f} s for {what}\n{server.log_text()}")
        time.sleep(0.05)
    return time.time()


def said(server: Server, text: str) -> float:
    """Wait until the server's log holds a text; when it did."""
    return wait_for(repr(text), lambda: text in server.log_text(), server)


def ranks_of(server: Server) -> dict[int, int]:
    """The workers' process ids by rank."""
    found = {}
    for pid in server.worker_pids():
        environ = Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
        rank = next(v for v in environ if v.startswith(b"OMPI_COMM_WORLD_RANK="))
        found[int(rank.split(b"=")[1])] = pid
    return found


def gone(pids: Mapping[int, int]) -> bool:
    """Whether all of these processes have ended."""
    running = {process.pid for process in processes.descendants(os.getpid()) if processes.alive(process)}
    return not running & set(pids.values())


def ends_after(pids: Mapping[int, int], number: int) -> float:
    """Signal all of these processes; how many seconds later the last had ended, which is at most 20."""
    began = time.monotonic()
    for pid in pids.values():
        os.kill(pid, number)
    while not gone(pids) and time.monotonic() - began < 20:
        time.sleep(0.005)
    return time.monotonic() - began
