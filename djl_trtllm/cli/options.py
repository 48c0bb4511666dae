"""`djl-trtllm options`: every option there is."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "options",
        help="list every option",
        description="List every option with its default and what it takes.",
    )
    parser.add_argument(
        "name", nargs="*", metavar="NAME", help="only options whose name contains one of these"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON")
    form.add_argument("--markdown", action="store_true", help="the whole table as docs/options.md has it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table; 1 when no option's name fits."""
    from djl_trtllm.options import explain
    from djl_trtllm.options.table import SPECS

    if args.markdown:
        print(explain.as_markdown(), end="")
        return 0
    names = [name for name in SPECS if not args.name or any(part.lower() in name for part in args.name)]
    print(explain.as_json(names) if args.json else explain.as_text(names))
    return 0 if names else 1
