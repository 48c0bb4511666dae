"""The cache of compiled models on the command line: where it is, what is meant by a key, and words for its figures."""

from __future__ import annotations

import argparse
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.errors import ArtifactError

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console
    from djl_trtllm.compile.entry import Entry
    from djl_trtllm.compile.manifest import Manifest
    from djl_trtllm.compile.store import Store

SHOWN = 12
"""Digits of a key that are shown where it only tells artifacts apart."""

_KEY = re.compile(r"[0-9a-f]{4,32}")
_UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Add --cache-dir."""
    parser.add_argument(
        "--cache-dir",
        metavar="DIR",
        help="the cache of compiled models (OPTION_CACHE_DIR, else below DJL_CACHE_DIR or the user's cache directory)",
    )


def store_of(args: argparse.Namespace) -> Store:
    """Return the cache that the command line, or the environment, names; it need not exist."""
    from djl_trtllm.compile.store import Store
    from djl_trtllm.options.places import cache_directory

    return Store(cache_directory(args.cache_dir or os.environ.get("OPTION_CACHE_DIR"), os.environ))


def opened(args: argparse.Namespace) -> tuple[Console, Store]:
    """Return what a command on the cache works with: where it shows things, and the cache that is meant."""
    return args.console, store_of(args)


def is_key(text: str) -> bool:
    """Whether a word can be a key, or the beginning of one."""
    return _KEY.fullmatch(text) is not None


def entry_of(store: Store, key: str) -> Entry:
    """Return the artifact whose key begins so. Raises `ArtifactError` where there is none, or are several."""
    found = [entry for entry in store.entries() if entry.key.startswith(key)]
    if not found:
        raise ArtifactError(f"No compiled model in {store.root} has a key that begins with {key}.")
    if len(found) > 1:
        keys = ", ".join(entry.key for entry in found)
        raise ArtifactError(f"{key} is the beginning of {len(found)} keys: {keys}. Give more of it.")
    return found[0]


def entry_at(directory: Path) -> Entry:
    """Return a compiled model that lies in a directory of its own."""
    from djl_trtllm.compile import manifest
    from djl_trtllm.compile.entry import Entry, tree_bytes

    found, problem = None, ""
    try:
        found = manifest.read(directory)
    except ArtifactError as error:
        problem = str(error)
    key = directory.name if found is None else found.key
    used = (directory / manifest.NAME).stat().st_mtime
    return Entry(key, directory, found, problem, tree_bytes(directory), used, in_use=False)


def name_of(entry: Entry) -> str:
    """Return what people call the model of an artifact: the last part of a path, a hub id whole."""
    if entry.manifest is None:
        return "(of another version)" if is_foreign(entry) else "(damaged)"
    name = origin_of(entry.manifest)
    return Path(name).name or name if name.startswith(("/", ".", "~")) else name


def origin_of(manifest: Manifest) -> str:
    """Return what a model was named as when it was compiled, else of what type it is."""
    return manifest.options.get("model_id", (str(manifest.plan.get("model_type") or "model"), ""))[0]


def is_foreign(entry: Entry) -> bool:
    """Whether another version of this package wrote an artifact, which may be good for that one."""
    from djl_trtllm.compile import manifest

    try:
        manifest.read(entry.path)
    except manifest.OtherFormat:
        return True
    except ArtifactError:
        pass
    return False


def ago(when: float, now: float | None = None) -> str:
    """Return how long something was ago, in its largest unit; `when` is in seconds since 1970."""
    seconds = max((time.time() if now is None else now) - when, 0.0)
    for length, name in _UNITS:
        count = int(seconds // length)
        if count:
            return f"{count} {name}{'s' * (count > 1)} ago"
    return "now"


def plural(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count} {noun}{'s' * (count != 1)}"
