"""The tensors of a Hugging Face checkpoint: their names and shapes, from the headers of the safetensors files."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EDGE = 64
"""How many bytes of either end of a tensor count for the digest."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies; `shape` in elements."""

    file: Path
    shape: tuple[int, ...]
    dtype: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a checkpoint. `pickled` are the `.bin` files of one that has no safetensors."""

    tensors: Mapping[str, Tensor]
    pickled: tuple[Path, ...] = ()

    @classmethod
    def of(cls, directory: Path, *, indexed: bool) -> Weights:
        """Read the headers of a checkpoint.

        Families that the library loads through transformers (`indexed`) see what the index lists, or the one
        `model.safetensors`; the others see every `*.safetensors` file. Without any of them every `*.bin` file is
        taken for weights, whatever it is.
        """
        files = sorted(directory.glob("*.safetensors"))
        if files:
            found = {name: tensor for file in files for name, tensor in tensors_of(file)}
            return cls(_listed(directory, found) if indexed else found)
        pickled = tuple(sorted(directory.glob("*.bin")))
        for file in pickled:
            if file.name == "training_args.bin":
                raise AttributeError("'TrainingArguments' object has no attribute 'items'")
        if not pickled:
            raise OSError(
                f"Error no file named model.safetensors or pytorch_model.bin found in directory {directory}"
            )
        return cls({}, pickled)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor; KeyError where there is none of that name."""
        return self.tensors[name].shape

    def digest(self, rank: int, world: int) -> str:
        """Return what stands for the part of the weights that one rank takes."""
        state = hashlib.blake2b(f"{rank}/{world}".encode(), digest_size=16)
        for name in sorted(self.tensors):
            tensor = self.tensors[name]
            state.update(f"{name}{tensor.shape}{tensor.dtype}".encode())
            with tensor.file.open("rb") as file:
                file.seek(tensor.begin)
                state.update(file.read(min(EDGE, tensor.end - tensor.begin)))
                file.seek(max(tensor.begin, tensor.end - EDGE))
                state.update(file.read(min(EDGE, tensor.end - tensor.begin)))
        for path in self.pickled:
            state.update(path.read_bytes()[:EDGE])
        return state.hexdigest()


def tensors_of(file: Path) -> Iterator[tuple[str, Tensor]]:
    """Read the header of a safetensors file; RuntimeError where it is cut short."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8).ljust(8, b"\0"))
        header: dict[str, Any] = json.loads(stream.read(length) or b"{}")
    size = file.stat().st_size
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        if end > size:
            raise RuntimeError("Error while deserializing header: MetadataIncompleteBuffer")
        yield name, Tensor(file, tuple(entry["shape"]), entry["dtype"], begin, end)


def _listed(directory: Path, found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    index = directory / "model.safetensors.index.json"
    if index.exists():
        names = json.loads(index.read_bytes())["weight_map"]
        missing = [name for name, file in names.items() if name not in found or found[name].file.name != file]
        if missing:
            raise OSError(f"{directory} does not appear to have a file named {names[missing[0]]}")
        return {name: found[name] for name in names}
    single = [name for name, tensor in found.items() if tensor.file.name == "model.safetensors"]
    if not single:
        raise OSError(f"Error no file named model.safetensors found in directory {directory}")
    return {name: found[name] for name in single}
