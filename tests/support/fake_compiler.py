"""Stands in for the process that compiles: does what the job's `origin` says. Run by building.process as a module."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from djl_trtllm.engines.building.news import Done, Failed, News, Note, Stage


class Job(msgspec.Struct):
    origin: str
    out: str


def say(news: News) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(news) + b"\n")
    sys.stdout.flush()


def main() -> int:
    job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    print("a library talks", file=sys.stderr)
    if job.origin == "good":
        say(Stage("converting", 50.0))
        say(Note("by the way"))
        Path(job.out, "model").write_text(os.environ["HF_HUB_OFFLINE"] + os.environ["TMPDIR"])
        say(Done())
    elif job.origin == "environment":
        Path(job.out, "model").write_text(" ".join(sorted(os.environ)))
        say(Done())
    elif job.origin == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif job.origin == "crashed":
        os.kill(os.getpid(), signal.SIGTERM)
    elif job.origin == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif job.origin == "aborts":
        print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr, flush=True)
        os.abort()
    elif job.origin == "sleeps":
        Path(job.out, "pid").write_text(str(os.getpid()))
        time.sleep(60)
    elif job.origin == "reports, then sleeps":
        say(Stage("calibrating", 40.0))
        time.sleep(60)
    elif job.origin == "exits":
        return 3
    elif job.origin == "done, then fails":
        say(Done())
        return 4
    else:
        say(Failed(job.origin, ["what went wrong"], 28))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
