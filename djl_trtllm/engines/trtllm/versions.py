"""Which TensorRT-LLM is installed. What differs between versions is data in the modules that need it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import metadata, util


@dataclass(frozen=True, order=True, slots=True)
class Release:
    """A version of TensorRT-LLM. Releases compare by major and minor number; `text` is the whole version."""

    major: int
    minor: int
    text: str = field(default="", compare=False)

    @classmethod
    def of(cls, text: str) -> Release:
        """Parse `0.12.0`, `0.17.0.dev2024121700` or `1.3.0rc3`; ValueError for anything else."""
        match = re.match(r"(\d+)\.(\d+)", text)
        if match is None:
            raise ValueError(f"{text!r} is no version of TensorRT-LLM")
        return cls(int(match[1]), int(match[2]), text)

    def __str__(self) -> str:
        return self.text or f"{self.major}.{self.minor}"


def installed() -> Release | None:
    """Return the installed version, None where there is none. Imports the library only if it has no metadata."""
    if util.find_spec("tensorrt_llm") is None:
        return None
    try:
        return Release.of(metadata.version("tensorrt_llm"))
    except metadata.PackageNotFoundError:
        import tensorrt_llm

        return Release.of(tensorrt_llm.__version__)
