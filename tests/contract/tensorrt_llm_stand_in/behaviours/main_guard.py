"""Whether the program that runs could start a process of its own: its main module has to be guarded."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import FrameType

BOOTSTRAPPING = (
    "An attempt has been made to start a new process before the current process has finished its bootstrapping "
    "phase. This probably means that you are not using fork to start your child processes and you have forgotten to "
    "use the proper idiom in the main module: if __name__ == '__main__': ..."
)


def check() -> None:
    """Raise RuntimeError where the main module runs the caller outside of `if __name__ == "__main__":`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == "__main__":
            path = Path(frame.f_code.co_filename)
            if path.is_file() and not guarded(path.read_text(encoding="utf-8"), frame.f_lineno):
                raise RuntimeError(BOOTSTRAPPING)
            return
        frame = frame.f_back


def guarded(source: str, line: int) -> bool:
    """Say whether a line stands in an `if` of the module that asks for `__name__`."""
    for statement in ast.parse(source).body:
        if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
            return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)
    return False
