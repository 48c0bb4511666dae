"""Run one rank's job in a child process: memory of the host and of the GPU comes back when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Progress
from djl_trtllm.engines.building import process
from djl_trtllm.engines.trtllm.build_job import SCRATCH, Job

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

MODULE = "djl_trtllm.engines.trtllm.build_child"

_LAUNCHER = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "ORTE_", "OPAL_", "HYDRA_", "MPI_LOCAL", "SLURM_")
"""What a launcher of MPI tells its ranks. TensorRT-LLM imports mpi4py, which would join the parent's job with it."""

NO_MEMORY = ("CUDA out of memory", "OutOfMemory", "cudaErrorMemoryAllocation", "out of memory")


def run(job: Job, options: Options, progress: Progress, check: Callable[[], None]) -> None:
    """Do the job; raises `CompileError`, `UnsupportedModel` or `OutOfMemory`. The child never outlives this.

    `check` is called while it runs; what it raises ends the job and is raised.
    """
    out = Path(job.out)

    def memory(how: str) -> str:
        return f"Compiling {job.origin} {how} (rank {job.rank}). {relief(options)}"

    build = process.Build(
        module=MODULE,
        job=job,
        origin=job.origin,
        out=out,
        scratch=out / SCRATCH / f"rank{job.rank}",
        memory=memory,
        environment=without_launcher,
        no_memory=NO_MEMORY,
        check=check,
    )
    process.run(build, progress)


def without_launcher(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a process that is no rank, and in which no data set is downloaded."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_LAUNCHER)}
    return {**kept, "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def relief(options: Options) -> str:
    """Return the sentence that names what takes less memory."""
    smaller = (
        "set option.quantize=int8 or awq"
        if options.quantize is None
        else f"keep option.quantize={options.quantize} and take a smaller model"
    )
    return (
        f"Lower option.max_rolling_batch_size (now {options.max_rolling_batch_size}), lower option.max_num_tokens (now"
        f" {options.max_num_tokens}) and option.max_input_len (now {options.max_input_len}), {smaller}, or split the"
        " model over more GPUs with option.tensor_parallel_degree. Compiling also takes host memory of about twice the"
        " weights of one rank."
    )
