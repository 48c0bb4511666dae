"""`djl-trtllm compile`: compile a model before anything serves it."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.cli import console, model, ranked
from djl_trtllm.cli.outcome import Outcome
from djl_trtllm.cli.parser import Commands
from djl_trtllm.errors import ArtifactError, CompileError, OptionsError, UnsupportedModel

if TYPE_CHECKING:
    from djl_trtllm.cli.model import Wanted
    from djl_trtllm.core import Progress
    from djl_trtllm.service.ahead import Ahead

DESCRIPTION = f"""\
Compile MODEL as its first start would, so that starts find it compiled. It goes into the cache of compiled models, and
with --output into a directory of its own that can be served anywhere. What is compiled already is found in a moment.

{model.WHAT}
{model.SOURCES}
A model for several GPUs (tensor_parallel_degree, pipeline_parallel_degree) is compiled by as many ranks: they are
started by mpirun, unless this command was.
"""
EXAMPLES = """\
examples:
  djl-trtllm compile my-model                        a directory with serving.properties
  djl-trtllm compile org/name --option quantize=awq  a hub id, with an option
  djl-trtllm compile my-model --output compiled      then: djl-trtllm serve compiled
"""


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "compile",
        help="compile a model ahead of time",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    model.add_model(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="also write a directory that can be served as it is"
    )
    parser.add_argument("--force", action="store_true", help="replace a compiled model that is in DIR")
    parser.add_argument(
        "--cache-dir", metavar="DIR", help="where compiled models are kept (option.cache_dir)"
    )
    parser.add_argument("--outcome", type=Path, help=argparse.SUPPRESS)
    console.add_json(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Compile, or find compiled; 0 when it is there."""
    from djl_trtllm import ranks
    from djl_trtllm.local import workspace

    if args.output is not None:
        args.output = args.output.resolve()
    if args.cache_dir:
        args.option = [*args.option, ("cache_dir", str(Path(args.cache_dir).resolve()))]
    with workspace.scratch() as scratch:
        rank, size = ranks.place(os.environ)
        if size > 1:

            def work(progress: Progress, done: Callable[[Outcome], None]) -> None:
                _compile(args, _wanted(args, scratch, progress), progress, done)

            return ranked.take_part(args, rank, work)
        done: list[Outcome] = []
        with args.console.progress("compiling") as progress:
            wanted = _wanted(args, scratch, progress)
        count = _ranks(wanted, args.output)
        if count > 1:
            args.console.note(f"compiling with {count} ranks, started by mpirun")
            return ranked.start(args, count, scratch)
        with args.console.progress("compiling") as progress:
            _compile(args, wanted, progress, done.append)
        done[0].show(args.console)
    return 0


def _wanted(args: argparse.Namespace, scratch: Path, progress: Progress) -> Wanted:
    if args.output is not None:
        from djl_trtllm.cli import export

        export.check(args.output, force=args.force)
    return model.wanted(args, scratch, progress)


def _ranks(wanted: Wanted, output: Path | None) -> int:
    """Return how many ranks compile the model. What stands against it is said here, once, not by every rank."""
    from djl_trtllm.engines import registry
    from djl_trtllm.options import sources

    options = sources.read(wanted.properties, os.environ, highest=wanted.highest)
    if options.cache == "off" and output is None:
        raise OptionsError(
            f"cache=off (from {options.source_of('cache')}) keeps nothing that is compiled. Give --output DIR, or"
            " leave the option out."
        )
    count = registry.ranks_of(options)
    if count > 1:
        registry.choose(options, count)
    return count


def _compile(
    args: argparse.Namespace, wanted: Wanted, progress: Progress, done: Callable[[Outcome], None]
) -> None:
    from djl_trtllm.compile import manifest
    from djl_trtllm.compile.settings import CacheSettings
    from djl_trtllm.compile.store import Store
    from djl_trtllm.service import ahead

    started = time.monotonic()

    def then(found: Ahead) -> None:
        model, path = found.model, found.model.path
        root = CacheSettings.of(found.options, os.environ).root
        kept = found.cached and path.parent == Store(root).artifacts
        if found.cached and not kept and args.output is None:
            raise CompileError(
                f"The model is compiled, but cannot be kept: {root} cannot be written. Name a directory that can be,"
                " with --cache-dir or --output."
            )
        size = manifest.read(path).total_bytes() if found.cached else None
        if args.output is not None:
            _export(found, wanted, args.output, progress)
        done(
            Outcome(
                model=model.origin,
                runtime=found.runtime,
                hit=model.hit,
                why=model.why,
                key=path.name if kept else None,
                path=str(path if kept or args.output is None else args.output),
                bytes=size,
                output=str(args.output) if args.output else None,
                seconds=round(time.monotonic() - started, 1),
            )
        )

    ahead.compiled(wanted.properties, os.environ, progress, then, wanted.highest)


def _export(found: Ahead, wanted: Wanted, output: Path, progress: Progress) -> None:
    from djl_trtllm import ranks
    from djl_trtllm.cli import export
    from djl_trtllm.compile import cache
    from djl_trtllm.compile.settings import CacheSettings

    if not found.cached:
        raise UnsupportedModel(
            f"There is nothing to write to {output}: the runtime {found.runtime} runs {found.model.origin} as it is."
            " Give it as option.model_id."
        )
    progress.stage(f"writing {output}")
    deployment = wanted.deployment
    engine = "MPI" if ranks.place(os.environ)[1] > 1 else deployment.engine
    lines = export.lines(wanted.given, found.options, engine)
    try:
        export.write(found.model.path, output, lines, export.code_of(deployment.directory, wanted.given))
    except ArtifactError as error:
        cache.discard(found.model, CacheSettings.of(found.options, os.environ))
        raise export.damaged(error) from error
