"""Compile a Hugging Face checkpoint into an OpenVINO model: what that depends on, and doing it in a child.

The child imports torch, transformers and optimum-intel; this process never does. Memory comes back when the
child ends, and running out of it kills the child, not the worker.
"""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.compile.quality import Quality
from djl_trtllm.core import Checkpoint, Plan, Progress
from djl_trtllm.engines.building import inputs
from djl_trtllm.engines.building.measured import quality_of
from djl_trtllm.engines.building.weights import weight_type
from djl_trtllm.engines.openvino import build_process, overrides, quality
from djl_trtllm.engines.openvino.build_job import SCRATCH, UNQUANTISED, Job
from djl_trtllm.engines.openvino.quality_child import QualityJob
from djl_trtllm.errors import UnsupportedModel
from djl_trtllm.model.checkpoint import weights_bytes
from djl_trtllm.model.families import family
from djl_trtllm.model.locate import tokenizer_directory

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_RECIPE = (
    "build_child.py",
    "export.py",
    "guides/build.py",
    "guides/files.py",
    "guides/model.py",
    "overrides.py",
    "quantize.py",
)
_SHARED = (
    "../building/calibration.py",
    "../building/text_facts.py",
    "../../text/table.py",
    "../../text/vocabulary.py",
)
"""The files whose code decides what a build writes. Their digest is in the key, so no release can forget to say
that it builds otherwise."""

_LIBRARIES = ("openvino", "openvino-tokenizers", "optimum-intel", "transformers", "torch", "tokenizers")
BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}


def plan(checkpoint: Checkpoint, options: Options) -> Plan:
    """Say what a build would depend on; reads every file of the checkpoint that is not fingerprinted yet.

    Raises `UnsupportedModel` for an architecture, a quantised checkpoint or a quantisation that there is not
    for this runtime, `OptionsError` for options that contradict the checkpoint.
    """
    kind = family(checkpoint)
    _check_source(checkpoint, options)
    overrides.check(checkpoint, kind, options)
    values = overrides.effective(kind, options.build_values("openvino"))
    files, rest = inputs.split(checkpoint, options, values)
    return Plan(
        runtime="openvino",
        model_type=checkpoint.model_type,
        inputs=files,
        options={**rest, "dtype": weight_type(checkpoint, options.dtype)},
        versions=_versions(quantising=options.quantize is not None),
        device="cpu",
    )


def build(checkpoint: Checkpoint, options: Options, out: Path, progress: Progress) -> Quality | None:
    """Compile into the empty directory `out`, and return how it compares where it is quantised.

    Raises `CompileError` or `OutOfMemory`; `out` may hold anything then.
    """
    dtype = weight_type(checkpoint, options.dtype)
    tokenizer = tokenizer_directory(options, os.environ, progress)
    job = Job(
        source=str(checkpoint.path),
        origin=checkpoint.origin,
        out=str(out),
        dtype=dtype,
        config=overrides.patched(checkpoint, family(checkpoint), options),
        tokenizer=str(tokenizer or checkpoint.path),
        trust_remote_code=options.trust_remote_code,
        allow_pickle=options.allow_pickle_weights,
        quantize=options.quantize,
        group_size=_group_size(options),
        smoothquant_alpha=options.smoothquant_alpha,
        calib_dataset=options.calib_dataset,
        calib_size=options.calib_size,
        position_factor=overrides.position_factor(family(checkpoint), options),
    )
    build_process.run(job, progress)
    return None if options.quantize is None else _compared(options, out, progress)


def _compared(options: Options, out: Path, progress: Progress) -> Quality:
    """Compare the models now: the unquantised one is at hand as OpenVINO has it, and goes with this."""
    job = QualityJob(
        out=str(out),
        reference=str(out / UNQUANTISED),
        texts=options.calib_dataset,
        threads=options.openvino_threads,
    )
    found = quality_of(lambda: quality.run(job, progress), options)
    for left in (UNQUANTISED, SCRATCH):
        shutil.rmtree(out / left, ignore_errors=True)
    return found


def _check_source(checkpoint: Checkpoint, options: Options) -> None:
    quantised = checkpoint.config.get("quantization_config")
    if isinstance(quantised, dict):
        method = quantised.get("quant_method", "an unknown method")
        raise UnsupportedModel(
            f"{checkpoint.origin} is quantised already ({method}), which the openvino runtime cannot compile."
            " Give the checkpoint it was made from, and set option.quantize=int8, int4, awq or smoothquant."
        )
    if options.quantize == "fp8":
        raise UnsupportedModel(
            "option.quantize=fp8 needs a GPU that computes in FP8. On the openvino runtime there are"
            " int8, int4, awq and smoothquant."
        )


def _group_size(options: Options) -> int | None:
    if options.quantize == "awq" and options.openvino_group_size is None:
        return options.awq_block_size
    return options.openvino_group_size


def _versions(*, quantising: bool) -> dict[str, str]:
    names = (*_LIBRARIES, "nncf") if quantising else _LIBRARIES
    return {"recipe": _recipe(), **{name: inputs.version(name) for name in names}}


@functools.cache
def _recipe() -> str:
    here = Path(__file__).parent
    return inputs.recipe(here / name for name in (*_RECIPE, *_SHARED))


def disk_needed(checkpoint: Checkpoint, dtype: str, quantize: str | None) -> int:
    """Return the bytes that compiling takes on disk: quantising first writes the whole model beside its result."""
    width = 4 if quantize else BYTES[dtype]
    source = weights_bytes(checkpoint) * width // BYTES[weight_type(checkpoint, "auto")]
    return int(source * (1.3 if quantize else 1.02))
