"""Builders killed at random moments of real builds and of publishing: the next start has a whole model or builds."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.support.killed_builds import Builders, check_a_clean_start, kill_one

pytestmark = pytest.mark.compile


@pytest.fixture(scope="module")
def builders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builders]:
    made = Builders(tmp_path_factory.mktemp("killed") / "cache")
    yield made
    made.close()


def kill_at_random(builders: Builders, compiling: int, publishing: int) -> list[str]:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    ends = []
    builders.finish("copy")
    for _ in range(publishing):
        ends.append(kill_one(builders, chance, publishing=True))
        check_a_clean_start(builders, "copy")
    for number in range(compiling):
        ends.append(kill_one(builders, chance, publishing=False))
        if number % 10 == 0:
            check_a_clean_start(builders, "build")
    return ends


def test_killed_at_a_few_random_moments(builders: Builders) -> None:
    assert len(kill_at_random(builders, compiling=3, publishing=2)) == 5


@pytest.mark.long
def test_killed_at_many_random_moments(builders: Builders) -> None:
    ends = kill_at_random(builders, compiling=20, publishing=30)
    print(ends)
    assert {"1 published, 0 left", "0 published, 1 left"} <= set(ends), "killed before and after the rename"
