"""Model directories for the doctor's tests: whole, tiny, and looked at as on another machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from djl_trtllm.doctor.djl_version import DjlVersion
from djl_trtllm.doctor.finding import Finding
from djl_trtllm.doctor.question import Question
from djl_trtllm.doctor.subject import Subject
from tests.support import raw_checkpoints, vocabularies

RIGHT = "engine=Python\noption.entryPoint=djl_trtllm.handler\noption.rolling_batch=trtllm\n"


def write(directory: Path, text: str = RIGHT, **config: object) -> Path:
    """Write a model directory that holds a whole LLaMA of a few bytes."""
    said = {**raw_checkpoints.LLAMA, "max_position_embeddings": 4096, **config}
    raw_checkpoints.write(directory, said, raw_checkpoints.llama_shapes())
    vocabularies.vocabulary("byte_level").save(str(directory / "tokenizer.json"))
    (directory / "serving.properties").write_text(text)
    return directory


def subject(
    directory: Path, environ: Mapping[str, str] | None = None, *, djl: str = "", ranks: int | None = None
) -> Subject:
    """Look at a directory; its parent is the root of the machine, and has the cache."""
    place = {"DJL_CACHE_DIR": str(directory.parent / "cache")}
    return Subject(
        Question(
            str(directory),
            {**place, **(environ or {})},
            djl=DjlVersion.of(djl) if djl else None,
            ranks=ranks,
            root=directory.parent,
        )
    )


def said(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Gravity and whole text of each finding."""
    return [(finding.outcome.value, str(finding)) for finding in findings]
