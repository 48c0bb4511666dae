"""What is counted, in a process of its own: `python -m bench.counts_side <file for the names> <what> ...`.

Runs under callgrind; what it needs of the tokenizer was made before, since training one takes a minute there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import djl, workload
from bench.callgrind import span
from bench.schedule import Schedule

TOKENS = 24
"""Tokens of an answer: one in the step of its arrival, one in its last, the others streamed in between."""
STREAMED = TOKENS - 2
MODEL = djl.BUILD / "model"
ANSWERS = djl.BUILD / "answers.json"


def prepare() -> None:
    """Write what the counted program reads: the tokenizer and the answers."""
    workload.save_tokenizer(MODEL)
    answers = [[a.ids, a.texts, a.logprobs] for a in workload.sequences(TOKENS)]
    ANSWERS.write_text(json.dumps(answers))


def answers() -> list[workload.Sequence]:
    """The prepared answers."""
    return [workload.Sequence(*answer) for answer in json.loads(ANSWERS.read_text())]


def schedule(**options: str) -> Schedule:
    """Our handler, loaded, with further options."""
    return Schedule(djl.VERSIONS[0], answers(), MODEL, **options)


def bodies(streams: int) -> list[bytes]:
    """The bench's usual requests: jsonlines with details."""
    return [workload.body(prompt, TOKENS, details=True) for prompt in workload.prompts(streams)]


def handler(count: Callable[[str], None], *streams: str) -> None:
    """Count a generation after one that warmed up: its first step, its streaming, its last step."""
    loaded = schedule()
    for number in streams:
        posted = bodies(int(number))
        loaded.generation(posted)
        for name, prepare in loaded.spans(posted):
            span(partial(loaded.run, prepare()), count, f"{name}/{number}")


KINDS = {"handler": handler}


def main(file: str, kind: str, *arguments: str) -> None:
    """Count, and leave the names of the spans in `file`."""
    names: list[str] = []
    KINDS[kind](names.append, *arguments)
    Path(file).write_text(json.dumps(names))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
