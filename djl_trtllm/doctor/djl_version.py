"""Which DJL-Serving is installed: what its Debian package and LMI's images leave on the disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.errors import OptionsError

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")
_PLACES = ("usr/local", "opt")
_TELEMETRY = "opt/djl/bin/telemetry"
PARTITION = "opt/djl/partition/trt_llm_partition.py"
"""The script that Java runs to convert a model, 0.27 and later, below the root directory."""


@dataclass(frozen=True, order=True, slots=True)
class DjlVersion:
    """A version of DJL-Serving; what it does with a model depends on the first two numbers."""

    major: int
    minor: int

    @classmethod
    def of(cls, text: str) -> DjlVersion:
        """Parse `0.27.0`, `0.30` or `0.36.0-SNAPSHOT`; `OptionsError` for anything else."""
        match = _VERSION.match(text.strip())
        if match is None:
            raise OptionsError(f"{text!r} is no version of DJL-Serving. Write it as 0.27.0.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def installed(root: Path) -> DjlVersion | None:
    """Return the version below `root`, None where there is none or it does not tell.

    The Debian package installs /usr/local/djl-serving-<version>; LMI's images write "<version> tensorrtllm" into a
    file for their telemetry (their Dockerfiles, 0.26 to 0.36).
    """
    for place in _PLACES:
        for directory in sorted((root / place).glob("djl-serving-[0-9]*"), reverse=True):
            if match := _VERSION.search(directory.name):
                return DjlVersion(int(match[1]), int(match[2]))
    try:
        match = _VERSION.match((root / _TELEMETRY).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return DjlVersion(int(match[1]), int(match[2])) if match else None
