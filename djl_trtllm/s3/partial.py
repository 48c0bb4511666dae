"""A file that is fetched in pieces, in any order, and can be gone on with after the process was killed.

    <file>.part   as long as the whole file; pieces that have not arrived are holes
    <file>.done   what is fetched (size, ETag, size of a piece), then the number of each piece that is on the disk

The file itself appears by a rename when all pieces are there.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from types import TracebackType

from djl_trtllm.s3.client import Object


class Partial:
    """The pieces of one file. Use as a context manager: it holds two open files."""

    def __init__(self, target: Path, wanted: Object, piece: int) -> None:
        self.target = target
        self.wanted = wanted
        self.part = target.with_name(f"{target.name}.part")
        self._journal = target.with_name(f"{target.name}.done")
        self._piece = piece
        self._lock = threading.Lock()
        header = json.dumps({"size": wanted.size, "etag": wanted.etag, "piece": piece})
        self._done = self._known(header)
        self._file = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if self._done is None:
            self._done = set()
            self._journal.write_text(f"{header}\n")
            os.ftruncate(self._file, 0)
            os.ftruncate(self._file, wanted.size)
        self._log = os.open(self._journal, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
        os.close(self._log)

    def missing(self) -> list[int]:
        """Return the numbers of the pieces that have yet to arrive."""
        count = -(-self.wanted.size // self._piece)
        return [number for number in range(count) if number not in (self._done or ())]

    def span(self, number: int) -> tuple[int, int]:
        """Return where a piece begins and ends, the end excluded."""
        start = number * self._piece
        return start, min(start + self._piece, self.wanted.size)

    def write(self, offset: int, data: bytes) -> None:
        """Write some bytes of a piece."""
        while data:
            written = os.pwrite(self._file, data, offset)
            offset, data = offset + written, data[written:]

    def mark(self, number: int) -> None:
        """Note that a piece is whole: first its bytes are on the disk, then the note."""
        os.fdatasync(self._file)
        with self._lock:
            os.write(self._log, f"{number}\n".encode())

    def publish(self) -> None:
        """Give the whole file its name."""
        os.fsync(self._file)
        self.part.replace(self.target)
        self._journal.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget what has arrived: it is not what was asked for."""
        self.part.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)

    def _known(self, header: str) -> set[int] | None:
        """Read which pieces an earlier try has left; None where there are none of this very object."""
        try:
            first, *rest = self._journal.read_text().split("\n")
            whole = first == header and self.part.stat().st_size == self.wanted.size
        except (OSError, ValueError):
            return None
        # The last one is empty, or was cut off while it was written.
        return {int(line) for line in rest[:-1] if line.isdecimal()} if whole else None


def arrived(target: Path, wanted: Object, piece: int) -> int:
    """Return how many bytes of an object an earlier try has left beside `target`."""
    if not target.with_name(f"{target.name}.done").is_file():
        return 0
    with Partial(target, wanted, piece) as partial:
        missing = [partial.span(number) for number in partial.missing()]
    return wanted.size - sum(end - start for start, end in missing)
