"""The process that builds one rank's engine; what happens around it stands in `engines.building`."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from djl_trtllm.core import Progress
from djl_trtllm.engines.building import child
from djl_trtllm.engines.building.child import Reporter
from djl_trtllm.engines.building.news import Failed
from djl_trtllm.engines.trtllm.build_job import Job
from djl_trtllm.errors import CompileError, LoadError, OutOfMemory

_NO_MEMORY = ("out of memory", "cudaerrormemoryallocation", "cublas_status_alloc_failed")


def run_part(job: Job, progress: Progress) -> None:
    """Do one job in this process. Raises `LoadError`, `OSError`, or `ImportError` for a library that is missing."""
    from djl_trtllm.engines.trtllm import convert

    with _during(job, progress, "loading TensorRT-LLM"):
        convert.installed_release()
        convert.use_gpu(job.rank)
    if job.calibration is not None:
        with _during(job, progress, "calibrating and quantising"):
            convert.quantise(job)
        return
    if job.text is not None:
        progress.stage("reading the tokenizer")
        _write_text(job, progress)
    with _during(job, progress, "converting the weights"):
        made = convert.model(job)
    with _during(job, progress, "building the engine"):
        convert.build(job, made)
    engine = Path(job.out, f"rank{job.rank}.engine")
    if not engine.is_file() or not engine.stat().st_size:
        raise CompileError(f"Compiling {job.origin} has left no engine for rank {job.rank}.")


def _write_text(job: Job, progress: Progress) -> None:
    from djl_trtllm.engines.building import slow_tokenizer, text_facts

    assert job.text is not None  # noqa: S101 - the caller has looked
    trusted = job.text.trust_remote_code
    work = Path(job.source).with_name("tokenizer")
    directory = slow_tokenizer.prepared(Path(job.text.tokenizer), work, trust_remote_code=trusted)
    text = text_facts.Text(job.origin, str(directory), trusted, job.text.position_factor)
    note = progress.note if isinstance(progress, Reporter) else lambda _: None
    text_facts.write(text, Path(job.source), Path(job.out), note)


@contextmanager
def _during(job: Job, progress: Progress, what: str) -> Iterator[None]:
    """Name the stage in whatever the library raises, which is often an AssertionError without a word."""
    progress.stage(what)
    try:
        yield
    except (LoadError, OSError, ImportError):
        raise
    except Exception as error:
        if _is_memory(error):
            raise OutOfMemory(f"Memory ran out while {what}: {child.first_lines(str(error))}") from error
        raise CompileError(f"Compiling {job.origin} failed while {what}: {_describe(error)}") from error


def _is_memory(error: Exception) -> bool:
    text = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or "outofmemory" in text or any(sign in text for sign in _NO_MEMORY)


def _describe(error: Exception) -> str:
    said = child.first_lines(str(error))
    if said:
        return f"{type(error).__name__}: {said}"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__} without a message in {where.name} ({Path(where.filename).name}, line {where.lineno})."
        " The log has the library's own words."
    )


def _failed(error: BaseException, job: Job) -> Failed:
    known = child.verdict(error, Path(job.out))
    if known is not None:
        return known
    if isinstance(error, ImportError):
        need = (
            f"Compiling {job.origin} needs the package {error.name or error}, which cannot be imported here."
        )
        return Failed("build", [need, "Compile in a container of TensorRT-LLM that has it."])
    return Failed("build", [f"Compiling {job.origin} failed: {type(error).__name__}: {error}"])


if __name__ == "__main__":
    raise SystemExit(child.main(Job, run_part, _failed))
