"""What can happen to a file on a disk: bits that flip, and ends that are lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def flipped(file: Path, position: int, bit: int = 0) -> Iterator[None]:
    """Flip one bit, and flip it back."""
    _flip(file, position, bit)
    try:
        yield
    finally:
        _flip(file, position, bit)


@contextmanager
def cut(file: Path, length: int) -> Iterator[None]:
    """Keep the first bytes only, and restore the rest."""
    whole = file.read_bytes()
    os.truncate(file, length)
    try:
        yield
    finally:
        file.write_bytes(whole)


def positions(size: int, count: int) -> list[int]:
    """So many places in a file, spread evenly from its first byte to its last."""
    return sorted({round(number * (size - 1) / max(count - 1, 1)) for number in range(count)})


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _flip(file: Path, position: int, bit: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([byte ^ 1 << bit]))
