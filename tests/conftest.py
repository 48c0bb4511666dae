"""Every test imports the real djl_python, as a worker under DJL does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import djl_python, s3, tiny

djl_python.importable()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[s3.S3]:
    """One S3 for all tests of a process; each makes buckets of its own."""
    with s3.server() as running:
        yield running


@pytest.fixture(scope="session")
def tiny_models(request: pytest.FixtureRequest) -> None:
    """Compile what the selected tests serve, in one process: most of a tiny model's compile time is imports."""
    wanted = {str(item.callspec.params["family"]) for item in request.session.items if _of_a_family(item)}
    if wanted:
        tiny.compiled_many(sorted(wanted, key=tiny.FAMILIES.index))


def _of_a_family(item: pytest.Item) -> bool:
    return (
        isinstance(item, pytest.Function)
        and "tiny_models" in item.fixturenames
        and hasattr(item, "callspec")
        and "family" in item.callspec.params
    )
