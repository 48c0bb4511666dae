"""Machine instructions by valgrind's callgrind, between marks that the counted program sets itself.

A mark is a call of libc's getsid, which nothing else calls: callgrind then writes out what was counted since the mark
before. Start-up, warming up and preparing fall out, and the counts do not depend on how busy the machine is. They do
depend on the CPU's vector instructions and on how Python was built, so only ratios of them are judged.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import compiled

MARK = "getsid"
ALLOCATORS = ("_PyObject_Malloc", "_PyObject_Calloc", "_PyObject_Realloc")
"""What Python's small-object allocator is entered by; a name is missing where Python has no symbols."""


@dataclass(frozen=True, slots=True)
class Span:
    """What was counted of one span: instructions, and calls of the allocators."""

    instructions: int
    allocations: int


def available() -> bool:
    """Whether there is a valgrind to count with."""
    return shutil.which("valgrind") is not None


def span(work: Callable[[], object], count: Callable[[str], None], name: str) -> None:
    """In the counted program: count `work` under `name`."""
    os.getsid(0)
    work()
    os.getsid(0)
    count(name)


def run(
    module: str, *arguments: str, seed: int = 0, package: Path | None = None, seconds: float = 1200
) -> dict[str, Span]:
    """Run `python -m <module> <file> <arguments>`, which writes the names of its spans to the file, in order.

    `seed` is that of Python's hashes: another one gives other places in memory, and counts that differ by some 0.2 %.
    `package` is where a compiled one is.
    """
    with tempfile.TemporaryDirectory() as directory:
        names, out = Path(directory, "names"), Path(directory, "out")
        command = ["valgrind", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={out}"]
        python, environment = compiled.python(package)
        done = subprocess.run(
            [*command, *python, "-m", module, str(names), *arguments],
            env={**environment, "PYTHONHASHSEED": str(seed), "TOKENIZERS_PARALLELISM": "false"},
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        if done.returncode:
            raise RuntimeError(f"The counted program ended with {done.returncode}:\n{done.stderr[-3000:]}")
        # Before the first mark comes start-up; every span is followed by what lies between it and the next one.
        return {
            name: read(out.with_name(f"out.{2 * index + 2}").read_text().splitlines())
            for index, name in enumerate(json.loads(names.read_text()))
        }


def read(lines: Iterable[str]) -> Span:
    """Read one part of callgrind's output: names are written out where they come first, then stand as a number."""
    names: dict[str, str] = {}
    calls: Counter[str] = Counter()
    called, instructions = "", 0
    for line in lines:
        if line.startswith(("fn=", "cfn=")):
            number, _, name = line.partition("=")[2].partition(" ")
            if name:
                names[number] = name.partition("'")[0]
            called = names[number]
        elif line.startswith("calls="):
            calls[called] += int(line[6:].split()[0])
        elif line.startswith("summary:"):
            instructions = int(line.split()[1])
    return Span(instructions, sum(calls[name] for name in ALLOCATORS))
