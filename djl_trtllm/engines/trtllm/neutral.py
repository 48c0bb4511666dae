"""Paths that TensorRT-LLM reads nothing out of.

Its conversion code searches the whole path of a checkpoint for names of models, letter by letter: `vila`, `llava` and
`exaone` make it read a LLaMA otherwise (0.9 to 0.14 and later), and the variant of a GPT or ChatGLM is guessed from it.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from djl_trtllm.errors import CompileError

SPELLS = ("vila", "llava", "exaone", "gpt", "coder", "persimmon", "fuyu", "kosmos", "jais", "glm")
"""What stands in a name that the library, or one of its classes, takes as a hint."""

_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 # nosec B108 # only where the usual place has a telling name


def is_neutral(path: Path) -> bool:
    """Whether nothing in a path tells the library anything."""
    text = str(path).lower()
    return not any(spell in text for spell in SPELLS)


@contextmanager
def neutral(path: Path) -> Iterator[Path]:
    """Give a directory a path without hints: its own, or a link in a temporary directory, for as long as this lasts.

    Raises `CompileError` where no temporary directory has such a path.
    """
    if is_neutral(path):
        yield path
        return
    link = _link(path)
    try:
        yield link
    finally:
        with suppress(OSError):
            link.unlink()


def _link(path: Path) -> Path:
    for place in map(Path, (tempfile.gettempdir(), *_PLACES)):
        if is_neutral(place) and place.is_dir() and os.access(place, os.W_OK):
            # Of sixteen digits no name of a model can be made, unlike of tempfile's letters.
            link = place / f"djl_trtllm-{secrets.token_hex(8)}"
            link.symlink_to(path, target_is_directory=True)
            return link
    raise CompileError(
        f"TensorRT-LLM would take a part of the path {path} for the name of a model. Set option.cache_dir to a"
        f" directory without {', '.join(SPELLS[:-1])} or {SPELLS[-1]} in its path."
    )
