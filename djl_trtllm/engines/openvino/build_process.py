"""Run one OpenVINO build in a child process."""

from __future__ import annotations

from pathlib import Path

from djl_trtllm.core import Progress
from djl_trtllm.engines.building import process
from djl_trtllm.engines.openvino.build_job import SCRATCH, Job

MODULE = "djl_trtllm.engines.openvino.build_child"


def run(job: Job, progress: Progress) -> None:
    """Build and return; raises `CompileError`, `UnsupportedModel` or `OutOfMemory`. The child never outlives this."""
    out = Path(job.out)

    def memory(how: str) -> str:
        return (
            f"Compiling {job.origin} {how}. It takes about three times the size of the weights"
            f"{' and more for quantize=' + job.quantize if job.quantize else ''}."
            f" Give the machine more memory, {_relief(job)} or compile on a larger machine and copy the cache."
        )

    build = process.Build(
        module=MODULE, job=job, origin=job.origin, out=out, scratch=out / SCRATCH, memory=memory
    )
    process.run(build, progress)


def _relief(job: Job) -> str:
    if job.quantize in ("awq", "smoothquant"):
        return "set option.quantize=int8 (no calibration), lower option.calib_size,"
    return "set option.dtype=bf16," if job.dtype == "fp32" else "take a smaller model,"
