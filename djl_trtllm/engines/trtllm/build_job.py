"""What a rank tells its build child: one JSON job. The answers are `engines.building.news`."""

from __future__ import annotations

import msgspec

SCRATCH = "scratch"
"""The directory below the artifact's for everything that is not part of the result; rank 0 removes it."""

CHECKPOINT, QUANTISED, CALIBRATION = "checkpoint", "quantised", "calibration_cnn_dailymail"
"""Below it: the checkpoint as the library should see it, the library's own quantised form of it, calibration text.
The last has the name of the data set that it stands in for, because the library's loaders go by it."""


class TextJob(msgspec.Struct, frozen=True, kw_only=True):
    """What to write about the model's text: see `engines.building.text_facts.Text`."""

    tokenizer: str
    trust_remote_code: bool = False
    position_factor: float = 1.0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One rank's part of one build. Paths are absolute.

    `arguments` are values by place and name, as in `Resolved`; `architecture` is the key of MODEL_MAP. `source` is
    the prepared checkpoint. With `calibration`, its directory, the job is to quantise into `quantised` for all
    ranks, and nothing else; else to build from `quantised`, or from `source` where there is none, into `out`.
    """

    source: str
    out: str
    origin: str
    architecture: str
    rank: int
    arguments: dict[str, dict[str, object]]
    quantised: str | None = None
    calibration: str | None = None
    text: TextJob | None = None

    def at(self, place: str) -> dict[str, object]:
        """Return the arguments of one place."""
        return self.arguments.get(place, {})
