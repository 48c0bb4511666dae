"""Puts a row of the library into this process, or into the environment of another one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.cuda import devices
from tests.contract.tensorrt_llm_stand_in.generate import generate
from tests.contract.tensorrt_llm_stand_in.knobs import VARIABLE, Knobs, from_environment, to_environment
from tests.contract.tensorrt_llm_stand_in.library import Library
from tests.contract.tensorrt_llm_stand_in.modules import modules, remove
from tests.contract.tensorrt_llm_stand_in.recorder import Recorder

_kept = ExitStack()
SITE = Path(__file__).parent / "site"
ROOT = Path(__file__).parents[3]


def library(row: str, knobs: Knobs) -> Library:
    """Return a row, generated but not importable."""
    made = Library(row, knobs)
    generate(made)
    return made


@contextmanager
def installed(row: str, **knobs: Any) -> Iterator[Recorder]:
    """Make `import tensorrt_llm` give a row, and nothing else, while the block runs; yields the record of calls.

    Knobs: `gpu` (True, False, a name, or name/capability/count), `faults` (see `faults.py`), `step` (seconds of a
    decoding step), `strict_device`, `log` (a file that gets the calls as JSON lines); others go to the behaviours.
    """
    made = library(row, Knobs.of(**knobs))
    before = remove()
    finder = _Finder()
    sys.modules.update(modules(made))
    sys.meta_path.insert(0, finder)
    try:
        with devices(made):
            yield made.recorder
    finally:
        sys.meta_path.remove(finder)
        remove()
        sys.modules.update(before)


def environment(row: str, **knobs: Any) -> dict[str, str]:
    """Return the variables that install a row in a process started with them; the knobs are those of `installed`."""
    paths = [str(SITE), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {VARIABLE: to_environment(row, knobs), "PYTHONPATH": os.pathsep.join(paths)}


def install_from_environment() -> None:
    """Install, for the life of this process, the row that the environment names."""
    row, knobs = from_environment()
    made = library(row, knobs)
    remove()
    sys.modules.update(modules(made))
    _kept.enter_context(devices(made))  # what nobody holds would undo itself at once


class _Finder:
    """Answers `find_spec("tensorrt_llm")`, and refuses modules of the library that the row has not."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "tensorrt_llm" or fullname.startswith("tensorrt_llm."):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
