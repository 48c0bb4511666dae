"""Where a compiled model keeps what guided decoding needs, and what of it is there.

- guide/openvino_detokenizer.*: the vocabulary, the exact bytes of every token, as the pipeline's tokenizer
- guide/openvino_model.*: a model of a few numbers with as many logits as the real one
- guide/config.json: their end token
- guide/probe/: all three again for the process that checks guides, see `build`
- guide/none.txt: instead of these, why there are none
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DIRECTORY = "guide"
PROBE = "probe"
NONE = "none.txt"
MODEL, VOCABULARY, CONFIG = "openvino_model.xml", "openvino_detokenizer.xml", "config.json"

SHIFT = 1
"""How far ids are moved up in the probe's vocabulary: its id 0 is no token, see `build`."""


@dataclass(frozen=True, slots=True)
class GuideFiles:
    """The directory to give to the engine's process; empty where there is none, and then why."""

    path: Path | None
    why_not: str = ""


def find(model: Path) -> GuideFiles:
    """Look for them in the directory of a compiled model."""
    directory = model / DIRECTORY
    places = (directory, directory / PROBE)
    if all((place / name).is_file() for place in places for name in (MODEL, VOCABULARY)):
        return GuideFiles(directory)
    try:
        return GuideFiles(None, (directory / NONE).read_text("utf-8"))
    except OSError:
        return GuideFiles(None, "it was compiled without what this needs; compile it again")
