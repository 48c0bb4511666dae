"""How a quantised model compares with the unquantised one: the figures, as the manifest keeps them and as a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured on a few texts, teacher-forced: both models are given the text's own tokens, not their answers.

    `agreement` is the share (0 to 1) of `tokens` positions at which both have the same likeliest next token, None where
    it was not measured. `perplexity` and `reference_perplexity` are those of the quantised and of the unquantised model
    on the same texts, each None where it is not known or not finite. `prompts` is a digest of the texts' token ids,
    `floor` the option.quality_floor at that time, `note` says why what is None is so.
    """

    agreement: float | None = None
    perplexity: float | None = None
    reference_perplexity: float | None = None
    tokens: int = 0
    prompts: str = ""
    floor: float | None = None
    note: str = ""

    def content(self) -> dict[str, object]:
        """Return the figures as JSON values, for the manifest."""
        return asdict(self)


def line(quality: Mapping[str, object]) -> str:
    """Return the figures of a manifest as one line, without a full stop."""
    agreement, note = _number(quality, "agreement"), quality.get("note")
    because = f": {str(note).rstrip('.')}" if note else ""
    if agreement is None:
        return f"next-token agreement not measured{because}"
    words = f"next-token agreement {agreement:.4g} over {quality.get('tokens', 0)} tokens"
    perplexity, reference = _number(quality, "perplexity"), _number(quality, "reference_perplexity")
    if perplexity is not None and reference is not None:
        return f"{words}, perplexity {perplexity:.4g} against {reference:.4g} unquantised"
    return f"{words}, perplexity not compared{because}"


def _number(quality: Mapping[str, object], name: str) -> float | None:
    value = quality.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
