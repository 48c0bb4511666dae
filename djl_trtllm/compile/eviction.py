"""Making room in a cache: what is of no use goes, then what was used least recently, and never what is in use."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from djl_trtllm.compile.entry import Removed, tree_bytes
from djl_trtllm.compile.manifest import OtherFormat
from djl_trtllm.compile.store import Store
from djl_trtllm.errors import ArtifactError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Occupant:
    """Something that takes room. `used` is when it was used last, in seconds since 1970.

    `evict` removes it and says whether it went, or would go where its argument is true (a dry run): what is in use,
    or may be, does not.
    """

    name: str
    bytes: int
    used: float
    evict: Callable[[bool], bool]


def collect(
    store: Store,
    max_bytes: int | None = None,
    *,
    keep: Collection[str] = (),
    others: Sequence[Occupant] = (),
    dry_run: bool = False,
) -> list[Removed]:
    """Remove what is of no use, then the least recently used until the rest is at most `max_bytes`.

    Of no use is what builders that died have left, and artifacts of which `Store.find` takes none. Nothing that is in
    use goes, nor what `keep` names, nor anything where the file system cannot tell what is in use. `others` lie beside
    the artifacts, and count and go with them.
    """
    gone = store.sweep(dry_run=dry_run)
    for key in store.present():
        problem = "" if key in keep else _broken(store, key)
        if problem:
            found = Removed(key, tree_bytes(store.artifact(key)), problem)
            if _evict(store, key, dry_run):
                gone.append(found)
    if max_bytes is not None:
        left = [one for one in _artifacts(store, keep) if one.name not in {removed.name for removed in gone}]
        gone += _shrink([*left, *others], max_bytes, dry_run=dry_run)
    return gone


def shrink(store: Store, max_bytes: int, *, keep: Collection[str] = ()) -> list[Removed]:
    """Do the second half of `collect`, which reads no manifest: what a start can afford."""
    if not os.access(store.artifacts, os.W_OK):
        return []
    return _shrink(_artifacts(store, keep), max_bytes, dry_run=False)


def _shrink(occupants: Iterable[Occupant], max_bytes: int, *, dry_run: bool) -> list[Removed]:
    least_recent_first = sorted(occupants, key=lambda one: (one.used, one.name))
    left = sum(one.bytes for one in least_recent_first)
    gone: list[Removed] = []
    for one in least_recent_first:
        if left <= max_bytes:
            break
        if one.evict(dry_run):
            left -= one.bytes
            gone.append(Removed(one.name, one.bytes, "least recently used"))
    return gone


def _artifacts(store: Store, keep: Collection[str]) -> list[Occupant]:
    return [
        Occupant(
            key,
            tree_bytes(store.artifact(key)),
            store.last_use(key),
            _never if key in keep else partial(_evict, store, key),
        )
        for key in store.present()
    ]


def _never(dry_run: bool) -> bool:  # noqa: ARG001
    return False


def _broken(store: Store, key: str) -> str:
    """Say what makes an artifact useless to every version of this package; empty where nothing does."""
    try:
        store.whole(key)
    except OtherFormat:
        pass
    except ArtifactError as error:
        return str(error)
    return ""


def _evict(store: Store, key: str, dry_run: bool) -> bool:
    use = store.use(key)
    if dry_run and use.last() is None:
        return True  # taking its lock would count as a first use
    if not use.alone():
        return False
    try:
        if not dry_run:
            _logger.info("removing the compiled model %s from the cache", key)
            store.discard(key)
    except OSError as error:
        _logger.warning("the compiled model %s cannot be removed: %s", key, error.strerror)
        return False
    finally:
        use.release()
    return True
