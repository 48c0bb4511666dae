"""What transformers answers: the file beside a tiny checkpoint, and how an answer is held against it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

FORMAT = 2
NEW_TOKENS = 12

MARGINS: Mapping[str, float] = {"fp32": 0.01, "fp16": 0.03, "bf16": 0.2}
"""By the type that computes: a divergence counts only where the reference's two best logits are further apart than
this, in standard deviations of the logits. fp32 leaves room for TF32 and another order of additions."""

FLOORS: Mapping[str, float] = {"int8": 0.8, "smoothquant": 0.7, "fp8": 0.7, "int4": 0.3, "awq": 0.3}
"""Share of `next_tokens` that must agree with the unquantised reference. Random weights quantise worse than trained
ones; by chance one of hundreds would agree."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A prompt and its greedy continuation.

    `gaps[i]` is how far token i's logit was above the next best one's, in standard deviations of the logits.
    """

    text: str
    ids: Sequence[int]
    tokens: Sequence[int]
    gaps: Sequence[float]


@dataclass(frozen=True, slots=True)
class Reference:
    """Greedy answers of one checkpoint.

    `answers` are whole ones, those first whose smallest gap is the largest. `next_tokens` are of other prompts too,
    with one token each: where the gap is largest, so that a quantised model can be expected to agree.
    """

    family: str
    vocab_size: int
    answers: Sequence[Answer]
    next_tokens: Sequence[Answer]
    made_with: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Reference:
        """Read a reference; ValueError for another format."""
        content = json.loads(file.read_text(encoding="utf-8"))
        if content.pop("format", None) != FORMAT:
            raise ValueError("the reference has another format; delete it to have it made again")
        answers, next_tokens = (
            [Answer(**row) for row in content.pop(name)] for name in ("answers", "next_tokens")
        )
        return cls(answers=answers, next_tokens=next_tokens, **content)

    def save(self, file: Path) -> None:
        """Write it, so that a half-written file is never read."""
        half = file.with_suffix(".half")
        half.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1), encoding="utf-8")
        half.replace(file)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far answers are those of the reference: tokens that are equal, near ties, and where they are not."""

    equal: int
    ties: int
    wrong: Sequence[str]

    def __str__(self) -> str:
        ties = f", {self.ties} near ties" if self.ties else ""
        return f"{self.equal} tokens equal{ties}"


def compare(answers: Sequence[Answer], got: Sequence[Sequence[int]], margin: float) -> Comparison:
    """Hold token ids against the reference. After a near tie, or a divergence, an answer is not looked at further."""
    equal, ties = 0, 0
    wrong = []
    for index, (answer, tokens) in enumerate(zip(answers, got, strict=True)):
        for place, (expected, gap) in enumerate(zip(answer.tokens, answer.gaps, strict=True)):
            token = tokens[place] if place < len(tokens) else None
            if token == expected:
                equal += 1
                continue
            if token is not None and gap <= margin:
                ties += 1
            else:
                said = "nothing" if token is None else f"token {token}"
                wrong.append(
                    f"prompt {index} of {len(answers)}, position {place}: {said}, transformers has {expected}"
                    f" with a gap of {gap:.3f}"
                )
            break
        else:
            if len(tokens) > len(answer.tokens):
                wrong.append(f"prompt {index}: {len(tokens)} tokens instead of {len(answer.tokens)}")
    return Comparison(equal, ties, wrong)


def agreement(answers: Sequence[Answer], got: Sequence[Sequence[int]]) -> float:
    """Return the share of prompts whose first new token is the reference's."""
    same = [tokens[:1] == list(answer.tokens[:1]) for answer, tokens in zip(answers, got, strict=True)]
    return sum(same) / len(same)
