"""Which TensorRT-LLM is installed. What differs between versions is data in the modules that need it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from importlib import metadata, util

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?(\.?dev)?")


@dataclass(frozen=True, order=True, slots=True)
class Release:
    """A version of TensorRT-LLM. Releases compare by major and minor number; `text` is the whole version.

    A development snapshot counts as the release before it: that much it surely has (0.13.0.dev2024081300 has no
    finish reasons, which 0.13.0 has).
    """

    major: int
    minor: int
    text: str = field(default="", compare=False)

    @classmethod
    def of(cls, text: str) -> Release:
        """Parse `0.12.0`, `0.17.0.dev2024121700` or `1.3.0rc3`; ValueError for anything else."""
        match = _VERSION.match(text)
        if match is None:
            raise ValueError(f"{text!r} is no version of TensorRT-LLM")
        major, minor = int(match[1]), int(match[2])
        return cls(major, minor - 1 if match[3] and minor else minor, text)

    def __str__(self) -> str:
        return self.text or f"{self.major}.{self.minor}"


def installed() -> Release | None:
    """Return the installed version, None where there is none. Imports the library only if it has no metadata."""
    if "tensorrt_llm" not in sys.modules and util.find_spec("tensorrt_llm") is None:
        return None
    try:
        return Release.of(metadata.version("tensorrt_llm"))
    except metadata.PackageNotFoundError:
        import tensorrt_llm

        return Release.of(tensorrt_llm.__version__)
