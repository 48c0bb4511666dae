"""The process that compiles for OpenVINO; what happens around it stands in `engines.building`."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from djl_trtllm.engines.building import child
from djl_trtllm.engines.building.child import Reporter
from djl_trtllm.engines.building.news import Failed
from djl_trtllm.engines.building.text_facts import Text
from djl_trtllm.engines.openvino.build_job import SCRATCH, UNQUANTISED, Job


def build(job: Job, reporter: Reporter) -> None:
    """Do one job. What is written on the way lies below `job.out`/scratch, which must exist, or is the unquantised."""
    # OpenVINO and NNCF send usage statistics where this package can be imported; a compiler calls nobody.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    from djl_trtllm.engines.building import text_facts
    from djl_trtllm.engines.openvino import export, quantize
    from djl_trtllm.engines.openvino.guides import build as guide_build

    out = Path(job.out)
    source = _source(job)
    reporter.stage("loading the compiler")
    export.load_libraries()
    reporter.stage("reading the tokenizer")
    text = Text(job.origin, job.tokenizer, job.trust_remote_code, job.position_factor)
    text_facts.write(text, source, out, reporter.note)
    if job.quantize is None:
        export.export(job, source, out, job.dtype, reporter)
    else:
        plain = out / UNQUANTISED
        export.export(job, source, plain, "fp32", reporter)
        quantize.quantize(job, plain, out, reporter)
    reporter.stage("checking the compiled model")
    export.check(out)
    guide_build.write(out, reporter.note)


def _source(job: Job) -> Path:
    """Return the checkpoint, or a directory of links to it with the config.json that the options ask for."""
    source = Path(job.source)
    if job.config is None:
        return source
    patched = Path(job.out) / SCRATCH / "patched"
    patched.mkdir()
    for file in source.iterdir():
        if file.name != "config.json":
            (patched / file.name).symlink_to(file.resolve())
    (patched / "config.json").write_bytes(msgspec.json.encode(job.config))
    return patched


def _failed(error: BaseException, job: Job) -> Failed:
    known = child.verdict(error, Path(job.out))
    if known is not None:
        return known
    if isinstance(error, ImportError):
        need = f"Compiling needs the package {error.name}: pip install 'djl-trtllm[compile]'."
        return Failed("build", [need, "Or serve a model that was compiled elsewhere, by copying the cache."])
    text = child.first_lines(str(error) or type(error).__name__)
    return Failed("build", [f"Compiling {job.origin} failed: {type(error).__name__}: {text}"])


if __name__ == "__main__":
    raise SystemExit(child.main(Job, build, _failed))
