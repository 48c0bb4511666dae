"""Two ranks on one model, compiled once for all tests, also where they run in several processes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.mpi_jobs import Place
from tests.support.server import Server


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("mpi"))


@pytest.fixture(scope="session")
def compiled(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The place after a first load, which has compiled; another process of this run gets a copy of its cache."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return _first_load(place)
    shared = tmp_path_factory.getbasetemp().parent / "mpi"
    with FileLock(f"{shared}.lock"):
        if (shared / "calls.json").exists():
            shutil.copytree(shared / "cache", place.cache, symlinks=True)
            place.built = json.loads((shared / "calls.json").read_text())
        else:
            _first_load(place)
            _share(place, shared)
    return place


def _first_load(place: Place) -> Place:
    with place.serve():
        place.built = place.calls("from_hugging_face")
    return place


def _share(place: Place, shared: Path) -> None:
    shutil.copytree(place.cache, shared / "cache", symlinks=True)
    (shared / "calls.json").write_text(json.dumps(place.built))


@pytest.fixture(scope="module")
def server(compiled: Place) -> Iterator[Server]:
    with compiled.serve() as running:
        yield running
