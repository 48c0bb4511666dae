"""What `djl-trtllm compile` has done, as it is shown, and as ranks tell it to the command that started them."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console


@dataclass(frozen=True, slots=True)
class Outcome:
    """What there is now, and where. `key` and `bytes` are None where nothing was to be compiled."""

    model: str
    runtime: str
    hit: bool
    why: str
    key: str | None
    path: str
    bytes: int | None
    output: str | None
    seconds: float

    def show(self, shown: Console) -> None:
        """Show it, with what to do next."""
        from djl_trtllm.compile import disk

        shown.document(asdict(self))
        if self.bytes is None:
            shown.line(f"nothing to compile: {self.runtime} runs {self.model} as it is", "good")
            return
        shown.line(f"{'found compiled' if self.hit else 'compiled'}: {self.model}", "good")
        rows = [
            ("runtime", self.runtime),
            ("why", self.why),
            ("directory", self.path),
            ("size", disk.size(self.bytes)),
            ("took", f"{self.seconds:.1f} s"),
        ]
        if self.output is not None:
            rows += [("output", self.output), ("serve it", f"djl-trtllm serve {shlex.quote(self.output)}")]
        shown.pairs(rows)
