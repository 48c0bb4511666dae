"""One request in a hundred makes the engine fail it; all others give the same bytes as in a clean run."""

from __future__ import annotations

import random

import pytest

from djl_trtllm.errors import GenerationFailed
from tests.support import poison
from tests.support.http_client import without_log_probs

pytestmark = pytest.mark.compile


@pytest.mark.parametrize("count", [600, pytest.param(5000, marks=pytest.mark.long)])
def test_all_others_give_the_same_bytes(count: int) -> None:
    clean = poison.bodies(count)
    bad = set(random.Random(1).sample(range(count), count // 100))
    mixed = [poison.poisoned(body) if i in bad else body for i, body in enumerate(clean)]
    with poison.spoiling(), poison.openvino() as java:
        alone = poison.answers(java, clean)
        beside = poison.answers(java, mixed)
    assert all(beside[i].code == GenerationFailed.status and not beside[i].chunks for i in bad)
    different = [
        i
        for i in range(count)
        if i not in bad and without_log_probs(alone[i].text) != without_log_probs(beside[i].text)
    ]
    assert different == []
    assert all(client.code is None and client.done for i, client in enumerate(beside) if i not in bad)
