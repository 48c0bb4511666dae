"""`djl-trtllm serve`: a model behind DJL's own engine on this machine."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.cli import console, model
from djl_trtllm.cli.parser import Commands

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console

DESCRIPTION = f"""\
Serve MODEL over HTTP through DJL's own Java engine, which runs inside this process.

{model.WHAT}
{model.SOURCES}
Where DJL_SERVING_HOME names a full DJL-Serving distribution, its bin/serve is started instead. With --json, one
document is printed once the model is ready; everything else goes to stderr.
"""


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "serve",
        help="serve a model on this machine",
        description=DESCRIPTION,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help=model.FORMS)
    parser.add_argument("--port", type=_port, default=8080, help="default 8080; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine only")
    parser.add_argument(
        "--engine", choices=("Python", "MPI"), help="default: what the model says, else Python"
    )
    parser.add_argument(
        "--djl", default="0.34.0", metavar="VERSION", help="DJL's version, 0.34.0 (default) or 0.25.0"
    )
    parser.add_argument("--name", default="model", help="the model's name in /predictions/<name>")
    model.add_options(
        parser,
        "an option of the model, or chunked_read_timeout or job_queue_size; wins over serving.properties",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=15.0,
        metavar="SECONDS",
        help="how long requests may take to finish after SIGTERM or Ctrl-C, default 15; at most 10 s follow",
    )
    console.add_json(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Serve in the foreground until SIGTERM or Ctrl-C; returns the exit code."""
    from djl_trtllm.local.server import Settings
    from djl_trtllm.local.server import run as serve

    say = _Lines(args.console)
    options: dict[str, str] = dict(args.option)
    if args.engine:
        options["engine"] = args.engine
    settings = Settings(
        model=model.directory_of(args.model) or model.default_model(_Progress(say)),
        name=args.name,
        host=args.host,
        port=args.port,
        djl=args.djl,
        options=options,
        grace=args.grace,
    )
    if home := os.environ.get("DJL_SERVING_HOME"):
        from djl_trtllm.local import distribution

        return distribution.run(Path(home), settings, say)
    return serve(settings, say)


class _Lines:
    """Takes the server's lines; called from several threads."""

    def __init__(self, shown: Console) -> None:
        self._shown = shown

    def __call__(self, line: str) -> None:
        """Show a line, and tell programs of the two that matter to them."""
        word, _, rest = line.partition(": ")
        if word == "error":
            self._shown.errors([rest])
            return
        self._shown.note(line)
        if word == "ready":
            self._shown.document({"ready": rest.strip()})


class _Progress:
    """Shows the stages of long work."""

    def __init__(self, say: _Lines) -> None:
        self._say = say

    def stage(self, name: str, percent: float | None = None) -> None:
        """Show a stage, with how far it is where that is known."""
        self._say(name if percent is None else f"{name}: {percent:.0f} %")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)
