"""`djl-trtllm inspect`: what has been compiled, from what, and whether a start would find it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.cli import artifact_view, cache, console, model
from djl_trtllm.cli.parser import Commands
from djl_trtllm.errors import ModelNotFound

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console
    from djl_trtllm.compile.store import Store
    from djl_trtllm.core import Progress
    from djl_trtllm.service.ahead import Foresight

DESCRIPTION = """\
Without WHAT, list the compiled models in the cache. `all` describes every one of them.

KEY, or its beginning, describes one: what model, from what files, with what options and versions, how long it took, how
good it is. So does a directory that `compile --output` has written.

MODEL, a directory, a hub id or an s3:// address, is looked at as a start would: whether it would find its model
compiled and, if not, exactly what differs from the one that comes nearest. Nothing is compiled, and nothing is fetched.
"""
EXAMPLES = """\
examples:
  djl-trtllm inspect                      the list
  djl-trtllm inspect 3f9a                 the one whose key begins so
  djl-trtllm inspect my-model             would a start be a hit, and if not, why
"""
_OFFLINE = "HF_HUB_OFFLINE"


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "inspect",
        help="show what is compiled, and what a start would find",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    parser.add_argument("what", nargs="?", metavar="WHAT", help="KEY, MODEL, or all")
    model.add_options(parser, "an option of MODEL, as `serve` and `compile` take it")
    cache.add_cache(parser)
    console.add_json(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Show what is asked for; 0 also where a start would compile."""
    shown, store = cache.opened(args)
    if args.what in (None, "all"):
        _show_cache(shown, store, whole=args.what == "all")
        return 0
    directory = Path(args.what)
    if cache.is_key(args.what) and not directory.is_dir():
        entry = cache.entry_of(store, args.what)
    elif (directory / "manifest.json").is_file():
        entry = cache.entry_at(directory.absolute())
    else:
        _foresee(args, shown)
        return 0
    shown.document(artifact_view.as_json(entry))
    artifact_view.show(shown, entry)
    return 0


def _show_cache(shown: Console, store: Store, *, whole: bool) -> None:
    from djl_trtllm.compile import disk

    entries = store.entries()
    size = sum(entry.bytes for entry in entries)
    shown.document(
        {
            "cache": str(store.root),
            "bytes": size,
            "artifacts": [artifact_view.as_json(entry) for entry in entries],
        }
    )
    if whole:
        for entry in entries:
            artifact_view.show(shown, entry)
    elif entries:
        artifact_view.show_list(shown, entries)
    if not entries:
        shown.line(f"Nothing is compiled in {store.root}.")
    elif not whole:
        count = cache.plural(len(entries), "compiled model")
        shown.line(f"{count}, {disk.size(size)}, in {store.root}", "dim")
    for entry in entries:
        if entry.problem and not whole and not cache.is_foreign(entry):
            shown.note(f"warning: {entry.problem}", "warn")


def _foresee(args: argparse.Namespace, shown: Console) -> None:
    from djl_trtllm.local import workspace
    from djl_trtllm.service import ahead

    if args.cache_dir:
        args.option = [*args.option, ("cache_dir", str(Path(args.cache_dir).resolve()))]
    args.model = args.what
    with workspace.scratch() as scratch, _without_the_hub(), shown.progress("looking") as progress:
        wanted = model.wanted(args, scratch, progress)
        found = ahead.foreseen(wanted.properties, os.environ, _Looking(progress), wanted.highest)
    shown.document(_as_json(found))
    _show(shown, found)


def _show(shown: Console, found: Foresight) -> None:
    shown.heading(found.origin)
    rows = [("runtime", found.runtime)]
    if found.key is None:
        shown.line("A start compiles nothing: the model is run as it is.", "good")
        shown.pairs(rows)
        return
    rows += [("key", found.key), ("cache", str(found.store.root))]
    if found.options.cache_remote is not None:
        rows.append(("second cache", "not asked; a start looks there before it compiles"))
    if found.hit and found.found is not None:
        from djl_trtllm.compile import reasons

        shown.line(f"A start here would be a hit: {reasons.why_hit(found.found)}.", "good")
        shown.pairs(rows)
        return
    shown.line(f"A start here would compile: {_why(found)}", "warn")
    for change in _changes(found):
        shown.line(f"- {change}")
    shown.pairs(rows)


def _why(found: Foresight) -> str:
    """Say why a start would compile; what differs follows in lines of their own."""
    if found.mode != "use":
        return f"cache={found.mode} (from {found.options.source_of('cache')})."
    if found.problem:
        return f"what was compiled from the same inputs cannot be used: {found.problem}"
    if found.nearest is None:
        return "this model has not been compiled here before."
    near = found.nearest
    named = f"{near.key[: cache.SHOWN]}{f' of {near.origin}' if near.origin else ''}"
    if not near.same_model:
        return f"these weights have not been compiled here before. What differs from {named}:"
    return f"what differs from {named}:"


def _changes(found: Foresight) -> list[str]:
    differ = found.mode == "use" and not found.problem and found.nearest is not None
    return list(found.nearest.changes) if differ and found.nearest is not None else []


def _as_json(found: Foresight) -> dict[str, object]:
    artifact = None
    if found.found is not None and found.key is not None:
        artifact = str(found.store.artifact(found.key))
    near = found.nearest
    return {
        "model": found.origin,
        "runtime": found.runtime,
        "hit": found.hit,
        "key": found.key,
        "cache": str(found.store.root),
        "mode": found.mode,
        "artifact": artifact,
        "problem": found.problem,
        "nearest": None
        if near is None
        else {
            "key": near.key,
            "model": near.origin,
            "same_model": near.same_model,
            "differences": list(near.changes),
        },
    }


class _Looking:
    """Shows the stages of a look, which goes no further than this machine and what was fetched from the hub before."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(self, name: str, percent: float | None = None) -> None:
        """Show a stage; a model in S3 would be fetched after its listing."""
        if name.startswith("listing "):
            raise ModelNotFound(
                f"{name.removeprefix('listing ')} is not on this machine. `djl-trtllm compile` fetches it, and says"
                " whether it was a hit."
            )
        self._progress.stage(name, percent)


@contextmanager
def _without_the_hub() -> Iterator[None]:
    """Have nothing fetched: gigabytes are no answer to a question."""
    before = os.environ.get(_OFFLINE)
    os.environ[_OFFLINE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_OFFLINE]
        else:
            os.environ[_OFFLINE] = before
