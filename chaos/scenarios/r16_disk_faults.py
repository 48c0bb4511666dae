"""R16: each call that writes to the cache fails, once or from then on: full, broken, forbidden or read-only disks.

Either the model is served all the same, from elsewhere where the cache cannot be written, or the error names the
directory and the option. Whatever happens, the next start on a sound disk has its model and nothing is left behind.
"""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

from chaos.figure import Figure, at_least
from chaos.scale import Scale
from djl_trtllm.compile import in_use
from djl_trtllm.core import CompiledModel
from djl_trtllm.errors import ArtifactError, CompileError
from tests.support.disk_faults import FaultyDisk
from tests.support.faulty_starts import CODES, calls_of, check_afterwards, one_disk, start

UNWRITABLE = [code for code in CODES if code != errno.ENOSPC]
"""A full disk is no reason to fill another part of it."""
QUICK_STRIDE = 4
"""In quick every fourth call fails, another fourth for each kind of fault."""


def run(scale: Scale) -> list[Figure]:
    """Fail every call of a build and of a hit; return the share that went as promised."""
    fault = f"{', '.join(CODES.values())} at each write"
    stride = scale.of(1, QUICK_STRIDE)
    with tempfile.TemporaryDirectory(prefix="chaos-r16-") as root, one_disk(Path(root)):
        builds, wrong = _builds(Path(root), stride)
        hits, served = _hits(Path(root, "hit"), stride)
        elsewhere = [_elsewhere(Path(root, f"none-{code}"), code) for code in UNWRITABLE]
    return [
        at_least(
            "R16.clear_and_clean",
            fault,
            100 * (1 - len(wrong) / builds),
            100,
            "%",
            "; ".join(wrong[:5]) or f"{builds} failed writes of builds",
        ),
        at_least(
            "R16.served_uncached",
            "a cache that cannot be written at all",
            100 * sum(elsewhere) / len(elsewhere),
            100,
            "%",
            ", ".join(CODES[code] for code in UNWRITABLE),
        ),
        at_least("R16.hits_served", fault, 100 * served / hits, 100, "%", f"{hits} failed writes of hits"),
    ]


def _builds(root: Path, stride: int) -> tuple[int, list[str]]:
    count, tried, wrong = calls_of(root / "count"), 0, []
    faults = [(code, lasting) for code in CODES for lasting in (False, True)]
    for kind, (code, lasting) in enumerate(faults):
        for failing in range(1 + kind % stride, count + 1, stride):
            cache = root / f"cache-{kind}-{failing}"
            tried += 1
            try:
                _one_build(cache, FaultyDisk(cache, failing, code, lasting))
            except (AssertionError, ArtifactError, OSError) as problem:
                wrong.append(f"{CODES[code]} at call {failing}: {problem or 'not as promised'}")
    return tried, wrong


def _one_build(cache: Path, faulty: FaultyDisk) -> None:
    model: CompiledModel | None = None
    with faulty.mounted():
        try:
            model = start(cache)
        except CompileError as error:
            if str(cache) not in str(error) or "option.cache_dir" not in str(error):
                raise AssertionError(f"an unclear error: {error}") from error
    if not faulty.failed:
        raise AssertionError("the call did not come")
    check_afterwards(cache, model)


def _elsewhere(cache: Path, code: int) -> bool:
    """Whether a model is compiled and served from somewhere else."""
    with FaultyDisk(cache, 1, code, lasting=True).mounted():
        model = start(cache)
    check_afterwards(cache, model)
    return cache not in model.path.parents


def _hits(cache: Path, stride: int) -> tuple[int, int]:
    start(cache)
    tried = served = 0
    for code in CODES:
        for failing in range(1, calls_of(cache) + 1, stride):
            in_use.held.clear()
            with FaultyDisk(cache, failing, code, lasting=True).mounted():
                tried += 1
                served += start(cache).hit
    return tried, served
