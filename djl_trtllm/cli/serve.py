"""`djl-trtllm serve`: a model behind DJL's own engine on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from djl_trtllm.errors import DjlTrtllmError

DESCRIPTION = """\
Serve MODEL over HTTP through DJL's own Java engine, which runs inside this process.

MODEL is a model directory with serving.properties, a directory with a Hugging Face checkpoint or a compiled model, or
a hub id. Without it HF_MODEL_ID is taken from the environment, else a small demo model is served.
Where DJL_SERVING_HOME names a full DJL-Serving distribution, its bin/serve is started instead.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "serve",
        help="serve a model on this machine",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a directory or a hub id")
    parser.add_argument("--port", type=_port, default=8080, help="default 8080; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1: this machine only")
    parser.add_argument(
        "--engine", choices=("Python", "MPI"), help="default: what the model says, else Python"
    )
    parser.add_argument(
        "--djl", default="0.34.0", metavar="VERSION", help="DJL's version, 0.34.0 (default) or 0.25.0"
    )
    parser.add_argument("--name", default="model", help="the model's name in /predictions/<name>")
    parser.add_argument(
        "--option",
        action="append",
        type=_pair,
        default=[],
        metavar="KEY=VALUE",
        help="an option of the model, or chunked_read_timeout or job_queue_size; wins over serving.properties",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long running streams may finish at the end",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve in the foreground until SIGTERM or Ctrl-C; returns the exit code."""
    from djl_trtllm.local.server import Settings
    from djl_trtllm.local.server import run as serve

    options: dict[str, str] = dict(args.option)
    if args.engine:
        options["engine"] = args.engine
    try:
        settings = Settings(
            model=args.model or _default_model(),
            name=args.name,
            host=args.host,
            port=args.port,
            djl=args.djl,
            options=options,
            grace=args.grace,
        )
        if home := os.environ.get("DJL_SERVING_HOME"):
            from djl_trtllm.local import distribution

            return distribution.run(Path(home), settings, _say)
    except DjlTrtllmError as problem:
        _say(f"error: {problem}")
        return 1
    return serve(settings, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _default_model() -> str | None:
    """Return the demo model's directory, making it on first use; None where the environment names a model."""
    if os.environ.get("HF_MODEL_ID"):
        return None
    from djl_trtllm.local import demo, workspace

    return str(demo.checkpoint(workspace.cache_root(os.environ), _Progress()))


class _Progress:
    """Prints the stages of long work."""

    def stage(self, name: str, percent: float | None = None) -> None:
        """Print a stage, with how far it is where that is known."""
        _say(name if percent is None else f"{name}: {percent:.0f} %")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return key.strip(), value.strip()
