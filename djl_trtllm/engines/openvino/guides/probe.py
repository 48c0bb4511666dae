"""The process that checks guides: `python -m djl_trtllm.engines.openvino.guides.probe <descriptor> <parent's pid>`.

A malformed guide passes `add_request` and throws in `step()`, where it breaks every sequence in flight (OpenVINO GenAI
2026.4.1, observed); one that is too large takes memory without end, one that is nested too deeply crashes. So each is
first run here, on a pipeline that has nothing else to lose, and this process is killed where it takes too long.
`step()` holds the GIL all the while, which is why this is no thread of the worker.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from djl_trtllm.engines.openvino.child import structured_output, tie_to_parent
from djl_trtllm.engines.openvino.guides import messages as g
from djl_trtllm.engines.openvino.guides.files import SHIFT
from djl_trtllm.engines.openvino.guides.reason import reason
from djl_trtllm.engines.openvino.link import Link
from djl_trtllm.engines.openvino.messages import GRAMMAR, Bound

WALK = 48
"""Tokens that the probe walks along a guide's shortest way."""

_BLOCKS = 2
_PROMPT = 0


def main() -> int:
    """Run the process; its exit code."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    tie_to_parent(parent)
    # The library's own lines on standard error quote schemas, and no log may.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    with suppress(BrokenPipeError, ConnectionResetError):  # The parent is gone.
        serve(Link(socket.socket(fileno=descriptor)))
    return 0


def serve(link: Link) -> None:
    """Answer until the parent closes the connection."""
    probe: Probe | None = None
    while (received := link.receive(None)) is not None:
        for data in received:
            message = g.decode_to_child(data)
            if isinstance(message, g.Start):
                probe = Probe(message.probe, message.stop_ids)
                # The first one makes the library's tables of the vocabulary, which is not that guide's fault.
                probe.check(Bound(GRAMMAR, 'root ::= "a"'))
                _limit_memory(message.memory)
                link.send(g.encode(g.Ready()))
            elif probe is not None:
                link.send(g.encode(probe.check(message.guide)))


class Probe:
    """A pipeline over the model and vocabulary that `build` has made for this."""

    def __init__(self, directory: str, stop_ids: list[int]) -> None:
        import numpy as np
        import openvino as ov
        import openvino_genai as genai

        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = _BLOCKS
        tokenizer = genai.Tokenizer(directory)
        self._pipeline = genai.ContinuousBatchingPipeline(directory, tokenizer, scheduler, "CPU")
        self._prompt = ov.Tensor(np.array([_PROMPT], np.int64))
        self._config: Callable[[Bound], Any] = lambda guide: genai.GenerationConfig(
            max_new_tokens=WALK,
            stop_token_ids={stop + SHIFT for stop in stop_ids},
            structured_output_config=structured_output(guide),
        )
        self._next = 0

    def check(self, guide: Bound) -> g.Verdict:
        """Compile the guide and walk along it."""
        self._next += 1
        handle = None
        try:
            handle = self._pipeline.add_request(self._next, self._prompt, self._config(guide))
            dead = self._walk(handle)
        except Exception as error:
            # Not by more than this of the message: it quotes the guide, which may speak of memory.
            if isinstance(error, MemoryError) or str(error).strip() == "std::bad_alloc":
                os._exit(g.NO_MEMORY)  # What is left of the library then is not to be relied on.
            if handle is not None:
                handle.cancel()
                self._pipeline.step()
            return g.Verdict(g.MALFORMED, reason(str(error)))
        return g.Verdict(g.DEAD_END if dead else g.GOOD)

    def _walk(self, handle: Any) -> bool:
        """Generate until the guide's end or for `WALK` tokens; whether no token fitted somewhere."""
        dead = False
        while not dead and handle.get_status().name == "RUNNING":
            self._pipeline.step()
            while handle.can_read() and (read := handle.read()):
                (output,) = read.values()
                dead = dead or any(token < SHIFT for token in output.generated_ids)
        if dead:
            handle.cancel()
            self._pipeline.step()
        return dead


def _limit_memory(more: int) -> None:
    """Let this process allocate so much more than it has; beyond that allocating fails, and it ends."""
    if sys.platform != "linux":
        return
    status = Path("/proc/self/status").read_text()
    used = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmData"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + more if hard == resource.RLIM_INFINITY else min(used + more, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


if __name__ == "__main__":
    sys.exit(main())
