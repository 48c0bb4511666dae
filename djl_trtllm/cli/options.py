"""`djl-trtllm options`: every option there is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from djl_trtllm.cli import console
from djl_trtllm.cli.parser import Commands

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console

RUNTIMES = ("trtllm", "trtllm-pytorch", "openvino")


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "options",
        help="list every option",
        description="List the options with their defaults and what they take. Conditions narrow the list together.",
    )
    parser.add_argument(
        "name", nargs="*", metavar="NAME", help="only options whose name contains one of these"
    )
    parser.add_argument(
        "--runtime", choices=RUNTIMES, help="only options that decide something on this runtime"
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--build", action="store_true", help="only those that decide what is compiled")
    when.add_argument("--run", dest="run_time", action="store_true", help="only those that do not")
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument(
        "--guide", action="store_true", help="only those of LMI's user guide for TensorRT-LLM"
    )
    origin.add_argument("--ours", action="store_true", help="only those that are not in it")
    form = parser.add_mutually_exclusive_group()
    console.add_json(form)
    form.add_argument("--markdown", action="store_true", help="as the table of docs/options.md")
    return parser


def run(args: argparse.Namespace) -> int:
    """Show the table; 1 when no option fits."""
    from djl_trtllm.options import explain
    from djl_trtllm.options.table import SPECS

    shown: Console = args.console
    names = [name for name in SPECS if _fits(name, args)]
    shown.document(explain.rows(names))
    if args.markdown:
        page = explain.as_table(names) if len(names) < len(SPECS) else explain.as_markdown().rstrip("\n")
        shown.raw(page)
    elif names:
        for line in explain.as_text(names).splitlines():
            shown.line(line, "" if line.startswith(" ") else "strong")
    else:
        shown.note("no option fits")
    return 0 if names else 1


def _fits(name: str, args: argparse.Namespace) -> bool:
    from djl_trtllm.options import explain
    from djl_trtllm.options.guide import GUIDE
    from djl_trtllm.options.table import SPECS

    build = SPECS[name].build
    if args.name and not any(part.lower() in name for part in args.name):
        return False
    if args.runtime is not None and not explain.uses(name, args.runtime):
        return False
    built = bool(build) if args.runtime is None else args.runtime in build
    if (args.build and not built) or (args.run_time and built):
        return False
    return not (args.guide and name not in GUIDE) and not (args.ours and name in GUIDE)
