from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.doctor.djl_version import DjlVersion, installed
from djl_trtllm.errors import OptionsError


@pytest.mark.parametrize(
    ("text", "version"),
    [("0.27.0", (0, 27)), ("0.36.0-SNAPSHOT", (0, 36)), ("0.30", (0, 30)), (" 1.0.1 ", (1, 0))],
)
def test_versions(text: str, version: tuple[int, int]) -> None:
    assert DjlVersion.of(text) == DjlVersion(*version)


def test_what_is_no_version() -> None:
    with pytest.raises(OptionsError, match="'new' is no version of DJL-Serving"):
        DjlVersion.of("new")


def test_what_is_installed(tmp_path: Path) -> None:
    assert installed(tmp_path) is None
    telemetry = tmp_path / "opt" / "djl" / "bin" / "telemetry"
    telemetry.parent.mkdir(parents=True)
    telemetry.write_text("0.26.0~SNAPSHOT tensorrtllm\n")
    assert installed(tmp_path) == DjlVersion(0, 26)
    (tmp_path / "usr" / "local" / "djl-serving-0.30.0").mkdir(parents=True)
    assert installed(tmp_path) == DjlVersion(0, 30)


def test_a_file_that_says_nothing(tmp_path: Path) -> None:
    telemetry = tmp_path / "opt" / "djl" / "bin" / "telemetry"
    telemetry.parent.mkdir(parents=True)
    telemetry.write_bytes(b"\xff\xfe")
    assert installed(tmp_path) is None
    telemetry.write_text("unknown")
    assert installed(tmp_path) is None
