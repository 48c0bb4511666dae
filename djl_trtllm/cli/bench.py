"""`djl-trtllm bench`: the project's own measurements, from a checkout of its sources."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.cli import console
from djl_trtllm.cli.parser import Commands
from djl_trtllm.errors import ModelNotFound

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = """\
Measure what this handler costs, side by side with upstream's and with the engine alone, as `make bench` does. The
measurements compare with code that is not in the installed package, so they need a checkout of the sources. All of them
take half an hour or more; docs/performance.md says how to read them.
"""


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "bench",
        help="measure what the handler costs",
        description=DESCRIPTION,
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="only these parts or goals")
    parser.add_argument("--quick", action="store_true", help="a smoke run, without verdicts")
    parser.add_argument("--pairs", type=int, metavar="N", help="alternating pairs of measurements (9)")
    parser.add_argument("--list", action="store_true", help="only say what can be measured")
    parser.add_argument(
        "--document", action="store_true", help="only write what is recorded into docs/performance.md"
    )
    console.add_json(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run the measurements in a process of their own, and return its exit code."""
    shown: Console = args.console
    if not (ROOT / "bench" / "__main__.py").is_file():
        raise ModelNotFound(
            "The measurements are not in the installed package: run `make bench` in a checkout of the sources."
        )
    command = [sys.executable, "-m", "bench"]
    command += ["--only", *args.only] if args.only else []
    command += [f"--{flag}" for flag in ("quick", "list", "document") if getattr(args, flag)]
    command += ["--pairs", str(args.pairs)] if args.pairs is not None else []
    sys.stdout.flush()
    code = subprocess.run(command, cwd=ROOT, stdout=sys.stderr if args.json else None, check=False).returncode
    results = ROOT / "build" / "bench" / "results.json"
    if args.json:
        measured = code == 0 and not (args.quick or args.list)
        figures = json.loads(results.read_text(encoding="utf-8")) if measured else []
        shown.document({"figures": figures, "exit_code": code})
    return code
