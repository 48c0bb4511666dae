"""Safetensors files as ranges of bytes: read headers, and write files whose tensors are pieces of other files.

The format's own specification: eight bytes with the length of the header, little endian; the header, JSON that gives
each tensor's type, shape and byte range; then the bytes. Nothing here looks at a value, so neither torch nor numpy is
needed, any type passes through bit by bit, and memory stays at one buffer whatever the size of a tensor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from djl_trtllm.errors import CompileError

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
}  # fmt: skip
_BUFFER = 8 << 20
_ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class Range:
    """A piece of a file, in bytes."""

    file: Path
    begin: int
    size: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor whose bytes are those ranges, one after another."""

    dtype: str
    shape: tuple[int, ...]
    ranges: Sequence[Range]

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return sum(piece.size for piece in self.ranges)

    def rows(self, begin: int, end: int) -> Sequence[Range]:
        """Return the bytes of the rows `begin` to `end` of a tensor that lies in one piece."""
        (whole,) = self.ranges
        row = whole.size // self.shape[0]
        return [Range(whole.file, whole.begin + begin * row, (end - begin) * row)]


def read(file: Path) -> dict[str, Tensor]:
    """Return the tensors of one file by name. `CompileError` where it is no whole safetensors file."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        found = {}
        for name, facts in header.items():
            if name != "__metadata__":
                begin, end = facts["data_offsets"]
                found[name] = Tensor(
                    facts["dtype"], tuple(facts["shape"]), [Range(file, 8 + length + begin, end - begin)]
                )
                _check(name, found[name])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CompileError(
            f"{file.name} cannot be read as safetensors: {error}. Copy or download it again."
        ) from error
    return found


def read_all(files: Sequence[Path]) -> dict[str, Tensor]:
    """Return the tensors of several files by name."""
    return {name: tensor for file in files for name, tensor in read(file).items()}


def write(file: Path, tensors: Mapping[str, Tensor], wrote: Callable[[int], None] = lambda _: None) -> None:
    """Write a file that holds `tensors`; `wrote` is told of every piece how many bytes it had."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        _check(name, tensor)
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.size],
        }
        offset += tensor.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)  # the format wants the data aligned, padded with spaces
    with file.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            for piece in _pieces(tensor):
                out.write(piece)
                wrote(len(piece))


def write_index(file: Path, placed: Mapping[str, str], total: int) -> None:
    """Write the index that says which file holds which tensor; `total` is the size of them all in bytes."""
    content = {"metadata": {"total_size": total}, "weight_map": dict(sorted(placed.items()))}
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _check(name: str, tensor: Tensor) -> None:
    bits = _BITS.get(tensor.dtype)
    if bits is not None and math.prod(tensor.shape) * bits // 8 != tensor.size:
        raise ValueError(f"{name} has {tensor.size} bytes, which is not {tensor.dtype} of {tensor.shape}")


def _pieces(tensor: Tensor) -> Iterator[bytes]:
    """Read the bytes of a tensor, at most one buffer at once; consecutive ranges of a file open it once."""
    stream: BinaryIO | None = None
    try:
        opened: Path | None = None
        for piece in tensor.ranges:
            if stream is None or opened != piece.file:
                if stream is not None:
                    stream.close()
                stream, opened = piece.file.open("rb"), piece.file
            stream.seek(piece.begin)
            left = piece.size
            while left:
                data = stream.read(min(left, _BUFFER))
                if not data:
                    raise CompileError(f"{piece.file.name} ends within a tensor. Copy or download it again.")
                left -= len(data)
                yield data
    finally:
        if stream is not None:
            stream.close()
