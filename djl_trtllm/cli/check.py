"""`djl-trtllm check`: what stands in the way of a start, and what a model directory comes to here."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from djl_trtllm.cli import console, model
from djl_trtllm.cli.console import Console, Look
from djl_trtllm.cli.parser import Commands

if TYPE_CHECKING:
    from djl_trtllm.doctor.djl_version import DjlVersion
    from djl_trtllm.doctor.examination import Examination
    from djl_trtllm.engines.trtllm.versions import Release

DESCRIPTION = """\
Look at a model and this machine as a start would, and name everything that is wrong at once, with the fix. Nothing is
fetched, compiled or loaded. The exit code is 1 if a start would fail.
"""
WHAT = """\
MODEL is a model directory with serving.properties, or that file; a directory with a Hugging Face checkpoint or a
compiled model; a hub id; or an address s3://bucket/prefix. Without it HF_MODEL_ID is taken from the environment, else
the current directory.
"""
EXAMPLES = """\
examples:
  djl-trtllm check my-model                                here, as it is
  djl-trtllm check my-model --option quantize=awq          with another option
  djl-trtllm check my-model --tensorrt-llm 0.12.0 --djl 0.30.0 --ranks 4
"""
_LOOKS: dict[str, Look] = {"problem": "bad", "note": "warn", "ok": "good"}


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "check",
        help="find what stands in the way of a start",
        description=f"{DESCRIPTION}\n{WHAT}\n{model.SOURCES}",
        epilog=EXAMPLES,
    )
    model.add_model(parser)
    parser.add_argument("--all", action="store_true", help="show every option, not only those that are set")
    parser.add_argument("--problems", action="store_true", help="show only what would stop a start")
    parser.add_argument(
        "--tensorrt-llm",
        metavar="VERSION",
        help="as on a machine with GPUs and this TensorRT-LLM; shows what its builder and batch manager get",
    )
    parser.add_argument("--djl", metavar="VERSION", help="as under this DJL-Serving (the one installed here)")
    parser.add_argument(
        "--ranks", type=int, metavar="N", help="MPI ranks that would be started (what the options say)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="do not read weights: nothing is said of the cache"
    )
    console.add_json(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Show findings, options and limits; 1 when a start would fail."""
    from djl_trtllm.doctor import examination
    from djl_trtllm.doctor.question import Question

    question = Question(
        named=model.directory_of(args.model) or os.environ.get("HF_MODEL_ID") or ".",
        environ=os.environ,
        options=dict(args.option),
        release=_release(args.tensorrt_llm),
        djl=_djl(args.djl),
        ranks=args.ranks,
        quick=args.quick,
    )
    found = examination.examine(question)
    shown: Console = args.console
    shown.document(found.as_json())
    if not args.problems:
        _show_options(shown, found, every=args.all)
    _show_findings(shown, found, problems_only=args.problems)
    return 0 if found.starts else 1


def _show_options(shown: Console, found: Examination, *, every: bool) -> None:
    rows = [
        (name, value, source)
        for name, (value, source) in found.options.items()
        if every or source != "default"
    ]
    if rows:
        shown.heading("Options")
        shown.table(("option", "value", "from"), rows)
    if found.limits:
        shown.heading("Limits")
        limits = [(name, str(limit.value), limit.source) for name, limit in found.limits.items()]
        shown.table(("limit", "value", "set by"), limits, right=("value",))
    if found.arguments:
        shown.heading("TensorRT-LLM gets")
        shown.pairs([(name, repr(value)) for name, value in found.arguments.items()])


def _show_findings(shown: Console, found: Examination, *, problems_only: bool) -> None:
    if not problems_only:
        shown.heading("Findings")
    for finding in found.findings:
        word = finding.outcome.value
        if not problems_only or word == "problem":
            shown.line(f"{word}: {finding.check}: {finding.text}", _LOOKS[word])
            if finding.fix:
                shown.line(f"    {finding.fix}")
    problems = sum(finding.outcome.value == "problem" for finding in found.findings)
    if problems:
        count = f"{problems} problem{'s' if problems > 1 else ''}"
        shown.line(f"{found.named} would not start: {count}.", "bad")
    else:
        shown.line(f"Nothing was found that would stop {found.named} from starting.", "good")


def _release(version: str | None) -> Release | None:
    from djl_trtllm.engines.trtllm.versions import Release
    from djl_trtllm.errors import OptionsError

    try:
        return None if version is None else Release.of(version)
    except ValueError as error:
        raise OptionsError(f"--tensorrt-llm: {error}. Write it as 0.12.0.") from None


def _djl(version: str | None) -> DjlVersion | None:
    from djl_trtllm.doctor.djl_version import DjlVersion

    return None if version is None else DjlVersion.of(version)
