"""The entry point of `djl-trtllm`. Each command is a module beside this one with `add_parser` and `run`.

`run(args)` finds its output layer in `args.console`, the whole command line in `args.argv`; it returns the exit code.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from djl_trtllm import __version__
from djl_trtllm.cli.parser import Parser
from djl_trtllm.errors import DjlTrtllmError

COMMANDS = (
    "serve",
    "compile",
    "check",
    "inspect",
    "verify",
    "gc",
    "options",
    "selftest",
    "bench",
    "completion",
)
DESCRIPTION = (
    "Serve language models behind DJL-Serving: compile them once, and look at everything on the way."
)
EPILOG = """\
djl-trtllm COMMAND --help tells more. With --json every command prints one JSON document.
Exit codes: 0 well, 1 something is wrong and named, 2 wrong usage, 130 interrupted.
"""
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; commands import what they need only when they run."""
    top = Parser(prog="djl-trtllm", description=DESCRIPTION, epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"djl-trtllm {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        command = importlib.import_module(f"djl_trtllm.cli.{name}")
        command.add_parser(subparsers).set_defaults(run=command.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 well, 1 a known error, 2 wrong usage, 130 interrupted."""
    Parser.asked = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    args.argv = Parser.asked
    from djl_trtllm.cli import console

    args.console = shown = console.of(as_json=getattr(args, "json", False) is True)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except DjlTrtllmError as error:
        shown.errors(error.problems)
        return 1
    except KeyboardInterrupt:
        shown.errors(["Interrupted."])
        return INTERRUPTED
    except BrokenPipeError:
        # A reader such as `head` has gone; the interpreter would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        shown.errors([f"{error.filename}: {error.strerror}."])
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
