from __future__ import annotations

import pytest

from djl_trtllm.engines.trtllm.versions import Release, installed
from tests.contract.tensorrt_llm_stand_in import ROWS, version
from tests.contract.tensorrt_llm_stand_in import installed as stand_in


@pytest.mark.parametrize(
    ("text", "major", "minor"),
    [
        ("0.8.0", 0, 8),
        ("0.12.0", 0, 12),
        ("1.2.1", 1, 2),
        ("1.3.0rc3", 1, 3),
        ("0.17.0.post1", 0, 17),
        ("1.0.0.dev2025070100", 1, 0),
    ],
)
def test_releases(text: str, major: int, minor: int) -> None:
    release = Release.of(text)
    assert (release.major, release.minor, str(release)) == (major, minor, text)


def test_a_snapshot_counts_as_the_release_before_it() -> None:
    assert Release.of("0.13.0.dev2024081300") == Release(0, 12)
    assert str(Release.of("0.17.0.dev2024121700")) == "0.17.0.dev2024121700"


def test_order_is_that_of_the_numbers() -> None:
    assert Release.of("0.9.0") < Release.of("0.10.0") < Release.of("1.0.0")
    assert Release.of("0.12.0") == Release.of("0.12.1")
    assert str(Release(0, 12)) == "0.12"


def test_what_is_no_version() -> None:
    with pytest.raises(ValueError, match="'unknown' is no version of TensorRT-LLM"):
        Release.of("unknown")


def test_what_is_installed() -> None:
    assert installed() is None
    for row in ROWS:
        with stand_in(row):
            assert str(installed()) == version(row)
