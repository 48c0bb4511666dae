"""The entry point of `djl-trtllm`. Each command is a module beside this one with `add_parser` and `run`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from djl_trtllm import __version__
from djl_trtllm.errors import DjlTrtllmError

COMMANDS = ("serve", "check", "options", "selftest")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; commands import what they need only when they run."""
    top = argparse.ArgumentParser(
        prog="djl-trtllm", description="Serve language models behind DJL-Serving, and look at how."
    )
    top.add_argument("--version", action="version", version=f"djl-trtllm {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"djl_trtllm.cli.{name}").add_parser(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 well, 1 a known error (said in one line), 2 wrong usage."""
    args = parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except DjlTrtllmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # A reader such as `head` has gone; the interpreter would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
