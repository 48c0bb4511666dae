"""`djl-trtllm selftest`: whether everything holds on this machine."""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.cli.parser import Commands
from djl_trtllm.errors import OptionsError

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console
    from djl_trtllm.selftest.report import Report

DESCRIPTION = """\
Make a tiny random checkpoint of each architecture, compile it, serve it as a DJL worker would, and compare what comes
with transformers. Every case runs in processes of its own. Nothing is downloaded.

Exit code 0 only when every case that the runtime supports went well. What it does not support is listed, with why.
The report of --json names versions and GPUs, and no directory of this machine: attach it to a bug report.
"""


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "selftest",
        help="compile and serve tiny models of every architecture here",
        description=DESCRIPTION,
    )
    parser.add_argument(
        "--runtime", choices=("trtllm", "trtllm-pytorch", "openvino"), help="default: what auto would take"
    )
    parser.add_argument("--families", type=_names, default=(), metavar="A,B", help="only these architectures")
    parser.add_argument(
        "--quantize", type=_names, default=(), metavar="A,B", help="only these, for example none,awq"
    )
    parser.add_argument(
        "--ranks", type=_count, default=1, metavar="N", help="GPUs to split each model over (1)"
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const=True,
        default=False,
        type=Path,
        metavar="FILE",
        help="write the report to FILE, or print it as one JSON document and nothing else",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep checkpoints and references there, and use those that are",
    )
    parser.add_argument(
        "--limit", type=_count, default=900, metavar="SECONDS", help="time limit of one case (900)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--list", action="store_true", help="only say what would be tried, and what not and why"
    )
    what.add_argument(
        "--prepare",
        action="store_true",
        help="only make checkpoints and references below --keep, where torch and transformers are",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Run what is asked for; 0 when all went well."""
    from djl_trtllm.selftest import cases
    from djl_trtllm.selftest import run as selftest

    if args.prepare and args.keep is None:
        raise OptionsError("--prepare needs --keep DIR, where what it makes is kept.")
    logging.getLogger("djl_trtllm").addHandler(logging.NullHandler())
    shown: Console = args.console
    say = shown.note if args.json is True else shown.raw
    runtime = args.runtime or _default_runtime()
    chosen, refused = cases.of_runtime(runtime, args.ranks, args.families, args.quantize)
    if args.list:
        shown.document(
            {
                "runtime": runtime,
                "cases": [{"family": case.family, "quantize": case.quantize} for case in chosen],
                "unsupported": [asdict(no) for no in refused],
            }
        )
        for case in chosen:
            shown.line(f"{case.family} {case.quantize}")
        for no in refused:
            shown.line(f"not supported: {no.family} {no.quantize}: {no.why}")
        return 0
    with tempfile.TemporaryDirectory(prefix="djl-trtllm-selftest-") as scratch:
        root = (args.keep or Path(scratch)).absolute()
        settings = selftest.Settings(runtime, args.ranks, args.limit, root)
        if args.prepare:
            problems = selftest.prepare(chosen, settings, say)
            if problems:
                shown.errors([f"{family}: {problem}" for family, problem in problems.items()])
                return 1
            shown.document({"prepared": sorted({case.family for case in chosen})})
            return 0
        report = selftest.run(chosen, refused, settings, say)
    if args.json is True:
        shown.document(report.as_json())
    elif args.json:
        _write(report, args.json)
    return 0 if report.well else 1


def _default_runtime() -> str:
    from djl_trtllm.engines import registry
    from djl_trtllm.options import sources

    return registry.choose(sources.read({}, {}), 1).name


def _write(report: Report, file: Path) -> None:
    file.write_text(json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
