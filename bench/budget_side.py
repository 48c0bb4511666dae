"""The counts of the budget, in a process of its own: `python -m bench.budget_side` prints them as JSON.

Two generations of different size tell what a step costs by itself and what each of its streams adds.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence

from bench import counts_side, python_counts, workload
from bench.schedule import Schedule

FEW, MANY = 16, 64
STEPS = counts_side.STREAMED
Counts = dict[str, dict[str, float]]


def jsonlines(prompt: str) -> bytes:
    """LMI's streaming format, the last line with details."""
    return workload.body(prompt, counts_side.TOKENS, details=True)


def stops(prompt: str) -> bytes:
    """The same with stop strings, which are looked for in every token."""
    return workload.body(prompt, counts_side.TOKENS, details=True, stop=["\n\n\n\n", "<|never|>"])


def completions(prompt: str) -> bytes:
    """OpenAI's streaming completions."""
    wanted = {"prompt": prompt, "max_tokens": counts_side.TOKENS, "ignore_eos": True, "stream": True}
    return json.dumps(wanted).encode()


FORMATS: dict[str, Callable[[str], bytes]] = {
    "jsonlines": jsonlines,
    "stops": stops,
    "completions": completions,
}


def measure(loaded: Schedule, body: Callable[[str], bytes]) -> Counts:
    """Count one format: per streamed token, per step, per arrival and per ending."""
    few, many = (_generations(loaded, [body(prompt) for prompt in workload.prompts(n)]) for n in (FEW, MANY))
    found: Counts = defaultdict(dict)
    for name, count in many["streamed"].items():
        token = (count - few["streamed"][name]) / (MANY - FEW) / STEPS
        if name not in ("bytes", "peak"):
            found["token"][name] = token
            found["step"][name] = few["streamed"][name] / STEPS - FEW * token
    for part in ("arrival", "ending"):
        for name, count in many[part].items():
            found[part][name] = (count - few[part][name]) / (MANY - FEW)
    return found


def _generations(loaded: Schedule, bodies: Sequence[bytes]) -> dict[str, dict[str, int]]:
    """Run a generation to warm up and one for each way of counting."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    loaded.generation(bodies)
    for way in (python_counts.bytecodes, python_counts.calls, python_counts.memory):
        for part, prepare in loaded.spans(bodies):
            prepared = prepare()
            counts[part] |= way(lambda steps=prepared: loaded.run(steps))  # type: ignore[misc]
    return counts


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    counts_side.prepare()
    loaded = counts_side.schedule()
    loaded.generation(counts_side.bodies(MANY))
    found = {name: measure(loaded, body) for name, body in FORMATS.items()}
    rounded = {
        name: {part: {k: round(v, 2) for k, v in counts.items()} for part, counts in parts.items()}
        for name, parts in found.items()
    }
    answers.write(json.dumps(rounded))
    answers.flush()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
