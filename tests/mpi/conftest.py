from collections.abc import Iterator

import pytest

from tests.support.mpi_jobs import Place
from tests.support.server import Server


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("mpi"))


@pytest.fixture(scope="session")
def compiled(place: Place) -> Place:
    """The place after a first load, which has compiled."""
    with place.serve():
        place.built = place.calls("from_hugging_face")
    return place


@pytest.fixture(scope="module")
def server(compiled: Place) -> Iterator[Server]:
    with compiled.serve() as running:
        yield running
