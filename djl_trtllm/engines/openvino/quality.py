"""Compare a quantised build with the unquantised model that it was made of, in a child process."""

from __future__ import annotations

from pathlib import Path

from djl_trtllm.core import Progress
from djl_trtllm.engines.building import process
from djl_trtllm.engines.openvino.build_job import SCRATCH
from djl_trtllm.engines.openvino.quality_child import STAGE, QualityJob

MODULE = "djl_trtllm.engines.openvino.quality_child"


def run(job: QualityJob, progress: Progress) -> dict[str, object]:
    """Return the figures; raises `CompileError` or `OutOfMemory`. The child never outlives this."""
    out = Path(job.out)
    build = process.Build(
        module=MODULE,
        job=job,
        origin="the models",
        out=out,
        scratch=out / SCRATCH,
        memory=lambda how: f"the comparison {how}",
        first=STAGE,
        does="compares",
    )
    return process.run(build, progress)
