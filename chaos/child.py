"""A scenario in a process of its own, so that a crash, a hang or a large heap is no other scenario's.

`python -m chaos.child <module> <scale> <file>` runs one and writes its figures to the file as JSON.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from chaos.catalog import Scenario, named
from chaos.figure import Figure
from chaos.scale import Scale

BUILD = Path("build/chaos")
TAIL = 3000
"""Characters of a failed scenario's log that are shown."""


class ScenarioFailed(RuntimeError):
    """A scenario raised, crashed or hung; the text ends with its log."""


def run(scenario: Scenario, scale: Scale, build: Path = BUILD) -> list[Figure]:
    """Run a scenario in a child. Raises ScenarioFailed."""
    build.mkdir(parents=True, exist_ok=True)
    log, answer = build / f"{scenario.module}.log", build / f"{scenario.module}.figures.json"
    answer.unlink(missing_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "chaos.child", scenario.module, scale.value, str(answer)],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ended = f"ended with code {child.wait(scenario.limit)}"
        except subprocess.TimeoutExpired:
            ended = f"took longer than {scenario.limit:g} s"
            child.send_signal(signal.SIGABRT)  # its stacks go to the log
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)
        finally:
            _end(child)
    if child.returncode != 0 or not answer.exists():
        tail = log.read_text(errors="replace")[-TAIL:]
        raise ScenarioFailed(f"{scenario.module} {ended}; {log} ends with:\n{tail}")
    return [Figure.of_entry(entry) for entry in json.loads(answer.read_text())]


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the child's session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def main(module: str, scale: str, file: str) -> None:
    """Be the child."""
    from tests.support import djl_python

    faulthandler.enable()
    djl_python.importable()
    figures = named(module).run(Scale(scale))
    if not figures:
        raise RuntimeError(f"{module} measured nothing")
    draft = Path(file).with_suffix(".tmp")
    draft.write_text(json.dumps([figure.entry() for figure in figures]))
    draft.replace(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
