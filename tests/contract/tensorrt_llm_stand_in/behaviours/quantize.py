"""`quantize`: config.json first, then what may fail, then one file for each rank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import checkpoint
from tests.contract.tensorrt_llm_stand_in.behaviours.calibration_set import rows_of
from tests.contract.tensorrt_llm_stand_in.behaviours.conversion import Converted, convert
from tests.contract.tensorrt_llm_stand_in.behaviours.hf_config import HfConfig
from tests.contract.tensorrt_llm_stand_in.behaviours.quant_config import (
    MODELOPT,
    SMOOTHQUANT_PLUGIN,
    algorithms,
)
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context

NATIVE_SAMPLES = 512
CHATGLM_SAMPLES = 64
AWQ_SAMPLES = 32
WITHOUT_VARIANT = ("gpt_variant", "chatglm_version", "model_version")


def quantize(
    context: Context,
    origin: str,
    *,
    hf_model_dir: str,
    output_dir: str,
    quant_config: Any = None,
    dtype: str = "auto",
    mapping: Any = None,
    calib_dataset: str = "cnn_dailymail",
    calib_batches: int = 512,
    calib_batch_size: int = 1,
    **others: Any,
) -> None:
    """Quantise a checkpoint for all ranks of a mapping.

    `origin` is the class that defines the method: the base one only knows ModelOpt's algorithms, as the rest of
    the library does for them, and loses the keywords that name a variant.
    """
    library, name = context.library, context.cls.__name__
    rank = 0 if mapping is None else mapping._values["rank"]
    keywords = {
        k: v for k, v in others.items() if k not in ("device", "random_seed") and "seq_length" not in k
    }
    if quant_config is None:
        raise AttributeError("'NoneType' object has no attribute 'requires_modelopt_quantization'")
    algorithm, cache = algorithms(quant_config)
    modelopt = algorithm in MODELOPT or (cache == "FP8" and algorithm not in SMOOTHQUANT_PLUGIN)
    if modelopt or origin == "PretrainedModel":
        keywords = {k: v for k, v in keywords.items() if k not in WITHOUT_VARIANT}
    if not modelopt and origin == "PretrainedModel":
        raise ValueError(f"The {name} class does not support {algorithm} quantization")
    if not modelopt and algorithm not in SMOOTHQUANT_PLUGIN and cache != "INT8":
        raise ValueError(f"Call from_hugging_face when there is no calibration to do: {algorithm}")
    converted = convert(library, name, hf_model_dir, dtype, mapping, quant_config, keywords)
    config = converted.config
    if not modelopt:
        checkpoint.write_config(Path(output_dir), config)
    assert rank == 0, "quantize should be called at rank 0 only"
    context.trip("quantize", rank)
    if library.knobs.gpu.count == 0:
        raise RuntimeError("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU")
    hf = HfConfig.of(Path(hf_model_dir))
    if modelopt:
        _modelopt(algorithm, calib_dataset, calib_batches, calib_batch_size)
        if algorithm == "W4A16_AWQ" and library.minor == (0, 14):
            config["quantization"]["kv_cache_quant_algo"] = "FP8"
        checkpoint.write_config(Path(output_dir), config)
    else:
        _native(name, hf, hf_model_dir, calib_dataset, library.minor)
    _write_ranks(converted, Path(output_dir))


def _modelopt(algorithm: str | None, dataset: str, batches: int, batch_size: int) -> None:
    if rows_of(dataset) == 0:
        raise ValueError(f"num_samples should be a positive integer value, {dataset} has no rows")
    if batches < 1 or batch_size < 1:
        raise ValueError(f"{algorithm}: batch_size should be a positive integer value")


def _native(cls: str, hf: HfConfig, directory: str, dataset: str, minor: tuple[int, int]) -> None:
    if hf.type in ("mixtral", "qwen2_moe"):
        raise KeyError("model.layers.0.mlp.gate_proj.weight")
    if (
        cls == "QWenForCausalLM"
        and minor >= (0, 14)
        and not (Path(directory) / "generation_config.json").exists()
    ):
        raise OSError(f"{directory} does not appear to have a file named generation_config.json")
    rows = rows_of(dataset)
    wanted = CHATGLM_SAMPLES if cls == "ChatGLMForCausalLM" else NATIVE_SAMPLES
    if rows < wanted:
        raise IndexError(f"Invalid key: {rows} is out of bounds for size {rows}")


def _write_ranks(converted: Converted, directory: Path) -> None:
    for number in range(converted.config["mapping"]["world_size"]):
        checkpoint.write_rank(directory, number, converted.digest(number))
