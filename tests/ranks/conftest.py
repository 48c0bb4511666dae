from collections.abc import Iterator

import pytest

from tests.support import post


@pytest.fixture(autouse=True)
def teams_end() -> Iterator[None]:
    yield
    post.close()
