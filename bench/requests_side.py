"""What becomes of one request's body before an engine hears of it: validated, refused, or kept waiting."""

from __future__ import annotations

import gc
import itertools
import json
import time
import tracemalloc
from collections.abc import Sequence

from bench import calibration, djl, drive, ours, workload
from bench.process import serve
from djl_trtllm.core import EngineRequest, Features, Request
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.registry import Writers
from djl_trtllm.rolling_batch.admit import Admission, Arrival
from djl_trtllm.rolling_batch.slot import Slot
from djl_trtllm.schemas import usual
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.schemas import Schemas
from djl_trtllm.text.tokenizer import Tokenizer

VERSION = djl.VERSIONS[0]
PARAMETERS = {
    "max_new_tokens": 128,
    "do_sample": True,
    "temperature": 0.7,
    "top_k": 40,
    "top_p": 0.9,
    "repetition_penalty": 1.1,
    "seed": 20,
    "stop": ["\n\n", "###"],
}
PROMPTS = 16
"""Different prompts of a kind of bodies."""
HEADERS = {"content-type": "application/json", "accept": "*/*"}


class Deaf(ours.PreparedEngine):
    """An engine in which everybody waits."""

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        """Take sequences, and keep nothing of them in this process."""


class RequestsSide:
    """Schemas, admission and loop of a model of 8,192 tokens' context."""

    def __init__(self) -> None:
        djl.use(VERSION)
        self._model = djl.BUILD / "model"
        workload.save_tokenizer(self._model)
        tokenizer = Tokenizer.load(self._model)
        engine = Deaf(workload.sequences(1), tokenizer.vocab_size)
        schemas = Schemas(Defaults(), engine.limits, Features(), None, tokenizer.decode)
        writers = Writers(tokenizer.special_ids, tokenizer.token_text, tokenizer.token_bytes, None)
        self._engine, self._parse = engine, schemas.parse
        self._bodies: dict[str, list[bytes]] = {}
        self._admission = Admission(schemas.parse, writers.make, tokenizer, engine.limits, "reject")

    def validate(self, how: str, kind: str, size: int, rounds: int) -> float:
        """Return µs of CPU time for one body of about `size` bytes, read by our schemas or by orjson alone.

        `plain` is prose without escapes and few parameters, `full` documentation with many and every common one; in
        `plain_new` and `full_new` every body has a seed that did not come before.
        """
        import orjson

        if kind not in self._bodies:
            self._bodies[kind] = _bodies(kind, size)
        bodies = self._bodies[kind]
        chosen = itertools.islice(itertools.cycle(bodies), rounds)
        if how == "orjson":
            begun = time.thread_time()
            for body in chosen:
                orjson.loads(body)
        else:
            begun = time.thread_time()
            for body in chosen:
                self._parse(body, "application/json", "*/*", 7)
        return (time.thread_time() - begun) / rounds * 1e6

    def refuse(self, size: int) -> dict[str, float]:
        """Return ms to parse a body of `size` bytes, to refuse its prompt after that, and of the calibration loop."""
        arrival = Arrival(_body(size), HEADERS)
        begun = time.perf_counter()
        request = self._admission.parse(arrival)
        middle = time.perf_counter()
        refused = self._refused(request)
        end = time.perf_counter()
        if not refused:
            raise AssertionError(f"a prompt of {size} bytes was to be refused before it is tokenised")
        return {
            "parse": (middle - begun) * 1_000,
            "refuse": (end - middle) * 1_000,
            "loop": calibration.milliseconds(),
        }

    def queued(self, requests: int, words: int) -> float:
        """Return bytes of memory that a request with a prompt of `words` words keeps while it waits for the engine.

        Once in a process: nobody is ever answered.
        """
        handle = ours.start(VERSION, self._model, self._engine)
        frames = workload.Frames(VERSION)
        prompts = workload.prompts(requests + 1, words)
        drive.step(
            handle, frames.arrivals([workload.body(prompts[0], 64)])
        )  # what the first request of all makes
        bodies = [workload.body(prompt, 64) for prompt in prompts]
        frame = frames.arrivals(bodies)
        gc.collect()
        tracemalloc.start()
        drive.step(handle, frame)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return kept / requests

    def _refused(self, request: Request) -> bool:
        try:
            self._admission.prepare(Slot(1), request, itertools.count(2))
        except InvalidRequest as error:
            return "at least" in str(error)  # how many there are nobody knows yet
        return False


def _bodies(kind: str, size: int) -> list[bytes]:
    """Return bodies of a kind with different prompts; of a new one more than are remembered, with different seeds."""
    form = _prose if kind.startswith("plain") else _body
    few = [form(size, index) for index in range(PROMPTS)]
    if not kind.endswith("_new"):
        return few
    bodies = []
    for index in range(2 * usual.MAX_KNOWN):
        given = json.loads(few[index % PROMPTS])
        given["parameters"]["seed"] = index
        bodies.append(json.dumps(given).encode())
    return bodies


def _prose(size: int, index: int = 0) -> bytes:
    """Return a body of `size` bytes that decoders read fastest; another one for another `index`."""
    spare = len(workload.body("", 64))
    words = workload.prompts(index + 1, size)[index].encode("ascii", "ignore").decode()
    text = "".join(character for character in words if character not in '"\\')
    return workload.body(text[: size - spare], 64)


def _body(size: int, index: int = 0) -> bytes:
    """Return a body of `size` bytes, most of which are the prompt; another one for another `index`."""
    corpus = workload.corpus()
    text = (corpus * (size // len(corpus) + 2))[index * size :]
    spare = len(json.dumps({"inputs": "", "parameters": PARAMETERS, "stream": True}))
    low, high = 0, size
    while low < high:  # the most characters that fit, as JSON spells some of them in many bytes
        middle = (low + high + 1) // 2
        if len(json.dumps(text[:middle])) - 2 + spare <= size:
            low = middle
        else:
            high = middle - 1
    return json.dumps({"inputs": text[:low], "parameters": PARAMETERS, "stream": True}).encode()


if __name__ == "__main__":
    serve(RequestsSide)
