"""A body on its way to a request: the struct it was read into, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from djl_trtllm.schemas import repeats
from djl_trtllm.schemas.careful import Reader

AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)

_LOOKED_THROUGH = 64 * 1024
"""Bytes of a body up to which names that come twice are looked for though it is refused anyway: that makes a copy."""


@dataclass(slots=True)
class Arrived(Generic[AnyStruct]):
    """One body. `problems` refuse it, `warnings` go to the log."""

    given: AnyStruct
    accept: str
    seed: int | None
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def blamed(self, name: str) -> bool:
        """Whether a parameter has been refused already, and so may look as if it were not set."""
        return any(problem.startswith(name) for problem in self.problems)


def read_whole(body: bytes, given: AnyStruct, accept: str, seed: int | None) -> Arrived[AnyStruct]:
    """Take a body that was read in one go."""
    return Arrived(given, accept, seed, repeats.find(body, given))


def read_by_field(
    body: bytes,
    fields: Mapping[str, msgspec.Raw],
    struct: type[AnyStruct],
    reader: Reader,
    accept: str,
    seed: int | None,
    *,
    refuse_unknown: bool,
) -> Arrived[AnyStruct]:
    """Read a body that could not be read in one go, and say everything that is wrong with it."""
    given = reader.read(fields, struct)
    problems, warnings = reader.problems, reader.unknown
    if refuse_unknown:
        problems, warnings = problems + warnings, []
    if not problems or len(body) <= _LOOKED_THROUGH:
        problems += [p for p in repeats.find(body, given, suspicious=True) if p not in problems]
    return Arrived(given, accept, seed, problems, warnings)
