"""Quantise an fp32 OpenVINO model with NNCF: int8, int4, awq, smoothquant.

Called on the model itself and not through optimum-intel's configurations: `main_export` takes one and silently
writes fp32, and calibration data by name is downloaded.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from djl_trtllm.engines.building import calibration
from djl_trtllm.engines.openvino import nncf_progress
from djl_trtllm.engines.openvino.export import CONFIGS, XML
from djl_trtllm.errors import CompileError

if TYPE_CHECKING:
    from djl_trtllm.engines.building.child import Reporter
    from djl_trtllm.engines.openvino.build_job import Job

_LONGEST_SAMPLE = 512
_SMALLEST_GROUP = 16
_DEFAULT_GROUP = 128


def quantize(job: Job, plain: Path, out: Path, reporter: Reporter) -> None:
    """Read the model in `plain` and write its quantised form, with the other files, into `out`."""
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(plain / XML)
    data, count = _dataset(job, out, model, reporter) if job.quantize in ("awq", "smoothquant") else (None, 0)
    with nncf_progress.reported(reporter.stage, f"quantising to {job.quantize}"):
        if job.quantize == "smoothquant":
            model = _smoothquant(model, data, count, job.smoothquant_alpha)
        elif job.quantize == "int8":
            model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
        else:
            group = _group_size(model, job.group_size, reporter)
            model = nncf.compress_weights(
                model,
                mode=nncf.CompressWeightsMode.INT4_ASYM,
                group_size=group,
                ratio=1.0,
                dataset=data,
                subset_size=max(count, 1),
                awq=job.quantize == "awq" or None,
            )
    _forget_kv_cache_type(model)
    reporter.stage("writing the quantised model")
    openvino.save_model(model, out / XML, compress_to_fp16=False)
    for name in CONFIGS:
        if (plain / name).exists() and not (out / name).exists():
            (plain / name).replace(out / name)


def _smoothquant(model: Any, data: Any, count: int, alpha: float) -> Any:
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        AdvancedSmoothQuantParameters,
    )

    return nncf.quantize(
        model,
        data,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=count,
        model_type=nncf.ModelType.TRANSFORMER,
        advanced_parameters=AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.DISABLE,
            smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=alpha),
        ),
    )


def _dataset(job: Job, tokenizer: Path, model: Any, reporter: Reporter) -> tuple[Any, int]:
    """Return calibration inputs as NNCF takes them, and how many; reading them reports progress."""
    import nncf
    from tokenizers import Tokenizer

    samples = calibration.texts(job.calib_dataset, job.calib_size)
    if job.calib_dataset is None:
        reporter.note(
            f"calibrating with {len(samples)} short texts that come with the package;"
            " set option.calib_dataset to a file of your own texts for better quality"
        )
    elif len(samples) < job.calib_size:
        reporter.note(
            f"calibrating with all {len(samples)} texts there are (option.calib_size={job.calib_size})"
        )
    encoded = Tokenizer.from_file(str(tokenizer / "tokenizer.json")).encode_batch(samples)
    ids = [row.ids[:_LONGEST_SAMPLE] for row in encoded if row.ids]
    return nncf.Dataset(ids, _inputs(model, len(ids), reporter.stage)), len(ids)


def _inputs(
    model: Any, count: int, stage: Callable[[str, float | None], None]
) -> Callable[[Sequence[int]], Mapping[str, Any]]:
    """Return what turns token ids into the model's named inputs; NNCF calls it once per sample and pass."""
    import numpy as np

    names = {name for port in model.inputs for name in port.get_names()}
    seen = 0

    def inputs(ids: Sequence[int]) -> Mapping[str, Any]:
        nonlocal seen
        stage("calibrating", 100.0 * (seen % count) / count)
        seen += 1
        if seen % count == 0:  # the last sample of a pass: what follows is long and silent
            stage("computing scales", None)
        every = {
            "input_ids": np.array([ids], dtype=np.int64),
            "attention_mask": np.ones((1, len(ids)), dtype=np.int64),
            "position_ids": np.arange(len(ids), dtype=np.int64)[None],
            "beam_idx": np.zeros(1, dtype=np.int32),
        }
        return {name: value for name, value in every.items() if name in names}

    return inputs


def _group_size(model: Any, wanted: int | None, reporter: Reporter) -> int:
    """Return how many weights share a scale: what was asked for, or the largest power of two that divides.

    NNCF refuses a size that does not divide the input channels of every weight (576 of SmolLM2: 64).
    """
    channels = math.gcd(*(_channels(model)))
    asked = wanted or _DEFAULT_GROUP
    if channels % asked == 0:
        return asked
    fitting = math.gcd(asked, channels)
    group = 1 << (fitting.bit_length() - 1) if fitting & (fitting - 1) else fitting
    while channels % group:
        group //= 2
    if group < _SMALLEST_GROUP:
        raise CompileError(
            f"The layers of this model have multiples of {channels} input channels, which allow no groups of"
            f" {_SMALLEST_GROUP} or more weights for int4. Set option.quantize=int8."
        )
    if wanted is not None:
        reporter.note(
            f"groups of {group} weights, because {wanted} do not divide the model's {channels} channels"
        )
    return group


def _channels(model: Any) -> list[int]:
    """List the input channels of every weight matrix, embeddings and the last layer excepted (they become int8)."""
    found = []
    for node in model.get_ops():
        if node.get_type_name() != "MatMul":
            continue
        weight = node.input_value(1).get_node()
        while weight.get_type_name() in ("Convert", "Reshape") and weight.get_input_size():
            weight = weight.input_value(0).get_node()
        if weight.get_type_name() == "Constant" and len(weight.shape) >= 2:
            transposed = node.get_attributes().get("transpose_b", False)
            found.append(int(weight.shape[-1 if transposed else -2]))
    if not found:
        raise CompileError("The model has no weight matrices that int4 could be made of.")
    return found


def _forget_kv_cache_type(model: Any) -> None:
    """Drop the exporter's note that the KV cache is f16: it holds for unquantised models only."""
    path = ["runtime_options", "KV_CACHE_PRECISION"]
    if model.has_rt_info(path):
        options = model.get_rt_info("runtime_options").value
        options.pop("KV_CACHE_PRECISION")
        model.set_rt_info(options, "runtime_options")
