"""A loop over a toy engine whose `submit` does not come back: what a step that hangs inside a library looks like.

`python -m chaos.hung_call <stall_timeout>` tells on standard output when it begins to hang, and then only the watchdog
can end it.
"""

from __future__ import annotations

import logging
import sys
import threading

from djl_trtllm.telemetry import logs
from djl_trtllm.telemetry.stall import Watchdog


def main(seconds: float) -> None:
    """Hang."""
    from tests.support import djl_python

    djl_python.importable()
    from djl_trtllm.engines.supervisor import Supervisor
    from tests.support.loop import rig, tokenizer
    from tests.support.toy_engine import ToyEngine, toy_limits

    class Hanging(ToyEngine):
        def submit(self, requests: object) -> None:  # noqa: ARG002
            print("hangs", flush=True)
            threading.Event().wait()

    logs.configure()
    logging.getLogger("djl_trtllm").setLevel(logging.INFO)
    limits = toy_limits(vocab_size=tokenizer().vocab_size)
    with rig(Supervisor(lambda: Hanging(limits=limits)), stall_timeout=str(seconds)) as made:
        Watchdog(float(seconds), lambda: made.loop.beats)
        made.java.send({"inputs": "the sea"})
        made.java.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
