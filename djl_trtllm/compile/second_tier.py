"""The traffic with a second tier: what comes from it is verified first, and what is built here goes there."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from djl_trtllm.compile import manifest
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.plan import canonical, content
from djl_trtllm.compile.progress import LogProgress
from djl_trtllm.compile.store import Store
from djl_trtllm.compile.tier import Tier
from djl_trtllm.core import Plan, Progress
from djl_trtllm.errors import ArtifactError

_logger = logging.getLogger(__name__)
_begun: list[threading.Thread] = []


def fetch(tier: Tier, key: str, plan: Plan, store: Store, progress: Progress) -> Manifest | None:
    """Copy an artifact from the tier and publish it; None where it has none, and with a warning where that failed.

    The lock of the key must be held.
    """
    private: Path | None = None
    try:
        private = store.private(key)
        progress.stage(f"fetching the compiled model from {tier.name}")
        if not tier.fetch(key, private, progress):
            return None
        found = _verified(private, key, plan)
        origin = {"from": tier.name, "when": round(time.time())}
        store.publish(private, replace(found, fetched=origin))
        return replace(found, fetched=origin)
    except Exception as error:
        _logger.warning("the compiled model %s cannot be had from %s: %s", key[:12], tier.name, _words(error))
        return None
    finally:
        if private is not None:
            shutil.rmtree(private, ignore_errors=True)


def push(tier: Tier, key: str, artifact: Path) -> Callable[[], None]:
    """Begin to store an artifact in the tier, and return what waits for the end of it. What fails is a warning.

    The thread is no daemon: a command that ends stores what it has built first.
    """

    def work() -> None:
        try:
            with LogProgress(f"storing {key[:12]} in {tier.name}", _logger) as progress:
                tier.store(key, artifact, progress)
        except Exception as error:
            _logger.warning("the compiled model %s is not kept in %s: %s", key[:12], tier.name, _words(error))

    thread = threading.Thread(target=work, name="cache-push")
    thread.start()
    _begun.append(thread)
    return thread.join


def settle() -> None:
    """Wait until all is stored that this process has begun to store, or has failed."""
    while _begun:
        _begun.pop().join()


def _verified(directory: Path, key: str, plan: Plan) -> Manifest:
    """Compare what was fetched with its manifest, every file and no other."""
    found = manifest.read(directory)
    if found.key != key or canonical(found.plan) != canonical(content(plan)):
        raise ArtifactError(f"it is of another plan, {found.key}.")
    there = manifest.survey(directory)
    wrong = sorted(
        name for name in there.keys() | found.files.keys() if there.get(name) != found.files.get(name)
    )
    if wrong or not there:
        raise ArtifactError(f"what came is not what its manifest says: {', '.join(wrong) or 'no files'}.")
    return found


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
