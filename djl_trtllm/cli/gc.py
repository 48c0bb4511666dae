"""`djl-trtllm gc`: make room in the cache of compiled models, and of models that were fetched from S3."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict

from djl_trtllm.cli import cache, console
from djl_trtllm.cli.parser import Commands
from djl_trtllm.errors import OptionsError

DESCRIPTION = """\
Remove from the cache what is of no use: what builds that were killed have left, and compiled models that are damaged.
With --max-size also the least recently used, until the rest is at most so large: compiled models, and models that were
fetched from S3, which the next start that needs one fetches again. What a running server uses is never removed.
"""
VARIABLE = "OPTION_CACHE_MAX_SIZE"


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "gc",
        help="remove what is useless or unused from the cache",
        description=DESCRIPTION,
    )
    parser.add_argument(
        "--max-size",
        type=_size,
        metavar="SIZE",
        help=f"how large the cache may be, as 50GiB ({VARIABLE}, else no limit); 0 leaves only what is in use",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    cache.add_cache(parser)
    console.add_json(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Remove, and say what; 0 also where a limit cannot be reached because of what is in use."""
    from djl_trtllm.compile import disk, eviction
    from djl_trtllm.model import fetched

    shown, store = cache.opened(args)
    limit = args.max_size if args.max_size is not None else _from_environment()
    models = fetched.below(store.root)
    others = [eviction.Occupant(one.name, one.bytes, one.last_use(), one.remove) for one in models]
    gone = eviction.collect(store, limit, others=others, dry_run=args.dry_run)
    names = {removed.name for removed in gone}
    kept = [entry for entry in store.entries() if entry.key not in names]
    stay = [one for one in models if one.name not in names]
    freed = sum(removed.bytes for removed in gone)
    left = sum(entry.bytes for entry in kept) + sum(one.bytes for one in stay)
    shown.document(
        {
            "cache": str(store.root),
            "dry_run": args.dry_run,
            "removed": [asdict(removed) for removed in gone],
            "bytes": freed,
            "kept": [{"key": entry.key, "bytes": entry.bytes, "in_use": entry.in_use} for entry in kept],
            "kept_models": [{"name": one.name, "bytes": one.bytes} for one in stay],
            "kept_bytes": left,
        }
    )
    if gone:
        rows = [(_short(removed.name), disk.size(removed.bytes), removed.why) for removed in gone]
        shown.table(("would go" if args.dry_run else "removed", "size", "why"), rows, right=("size",))
        shown.line(f"{disk.size(freed)} {'would be' if args.dry_run else 'are'} free", "good")
    else:
        shown.line("Nothing is to be removed.", "good")
    count = cache.plural(len(kept), "compiled model")
    also = f" and {cache.plural(len(stay), 'fetched model')}" if stay else ""
    shown.line(f"{count}{also}, {disk.size(left)}, stay in {store.root}", "dim")
    if limit is not None and left > limit:
        shown.note(
            f"note: that is more than {disk.size(limit)}: what is in use, or may be, is never removed", "warn"
        )
    return 0


def _short(name: str) -> str:
    """Return a key's beginning, and the name of a fetched model whole."""
    return name if "/" in name else name[: cache.SHOWN]


def _size(text: str) -> int:
    from djl_trtllm.options.kinds import SIZE, Size

    if text == "0":
        return 0
    try:
        value = SIZE.parse(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not {SIZE.allowed}") from None
    assert isinstance(value, Size)  # noqa: S101 - that is its kind
    return value.bytes


def _from_environment() -> int | None:
    text = os.environ.get(VARIABLE, "").strip()
    try:
        return _size(text) if text else None
    except argparse.ArgumentTypeError as error:
        raise OptionsError(f"{VARIABLE}: {error}.") from None
