"""The process that turns a tokenizer which only transformers can read into tokenizer.json and text.json."""

from __future__ import annotations

from pathlib import Path

import msgspec

from djl_trtllm.engines.building import child
from djl_trtllm.engines.building.child import Reporter
from djl_trtllm.engines.building.news import Failed
from djl_trtllm.engines.building.text_facts import Text

SCRATCH = "scratch"


class TokenizerJob(msgspec.Struct, frozen=True):
    """Read `tokenizer`, and the end tokens that `source` names in its generation_config.json; write into `out`."""

    origin: str
    tokenizer: str
    source: str
    out: str
    trust_remote_code: bool
    hide_config: bool


def convert(job: TokenizerJob, reporter: Reporter) -> None:
    """Do one job. Whatever else is written lies below the directory `job.out`/scratch, which must exist."""
    reporter.stage("converting the tokenizer")
    from djl_trtllm.engines.building import slow_tokenizer, text_facts

    out = Path(job.out)
    directory = Path(job.tokenizer)
    if job.hide_config:
        directory = _without_config(directory, out / SCRATCH / "tokenizer")
    work = out / SCRATCH / "converted"
    directory = slow_tokenizer.prepared(directory, work, trust_remote_code=job.trust_remote_code)
    text = Text(job.origin, str(directory), job.trust_remote_code)
    text_facts.write(text, Path(job.source), out, reporter.note)


def _without_config(source: Path, directory: Path) -> Path:
    """Return a directory of links: transformers would take the config.json of engines for a checkpoint's."""
    directory.mkdir()
    for file in source.iterdir():
        if file.is_file() and file.name != "config.json" and file.suffix != ".engine":
            (directory / file.name).symlink_to(file.resolve())
    return directory


def failed(error: BaseException, job: TokenizerJob) -> Failed:
    """Say what ended the job."""
    known = child.verdict(error, Path(job.out))
    if known is not None:
        return known
    if isinstance(error, ImportError):
        return Failed(
            "build",
            [
                f"Converting the tokenizer of {job.origin} needs the package {error.name}: pip install {error.name}.",
                "Or give a directory with a tokenizer.json as option.tokenizer.",
            ],
        )
    text = child.first_lines(str(error) or type(error).__name__)
    return Failed(
        "build", [f"The tokenizer of {job.origin} cannot be converted: {type(error).__name__}: {text}"]
    )


if __name__ == "__main__":
    raise SystemExit(child.main(TokenizerJob, convert, failed))
