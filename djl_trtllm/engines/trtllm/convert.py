"""The calls that make an engine of a checkpoint, in a process that may import TensorRT-LLM.

Everything is passed by keyword, because positions differ between releases; what is passed is decided elsewhere, by
release and architecture. What is known of the calls was seen by running the library's own Python code of 0.10 to 0.14
and read in the release trees of 0.8.0 to 1.3.0rc3.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from djl_trtllm.engines.trtllm.build_job import Job
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import CompileError

_ALGORITHMS = ("quant_algo", "kv_cache_quant_algo")


def quantise(job: Job) -> None:
    """Calibrate and write the library's quantised checkpoint, for all ranks, into `job.quantised`."""
    target = Path(str(job.quantised))
    target.mkdir()
    _class(job).quantize(
        hf_model_dir=job.source,
        output_dir=str(target),
        mapping=mapping(job),
        quant_config=quant_config(job),
        calib_dataset=job.calibration,
        **job.at("quantize"),
    )
    # The native flow writes config.json first and leaves it there when it fails: the ranks' files tell.
    ranks = range(int(str(job.at("Mapping")["world_size"])))
    missing = [rank for rank in ranks if not (target / f"rank{rank}.safetensors").is_file()]
    if missing:
        raise CompileError(
            f"Quantising {job.origin} has written no weights for rank {', '.join(map(str, missing))} of {len(ranks)}."
        )
    _correct(target / "config.json", job.at("checkpoint"))


def model(job: Job) -> Any:
    """Return the rank's share of the model: of the quantised checkpoint where there is one."""
    if job.quantised is not None:
        return _class(job).from_checkpoint(ckpt_dir=job.quantised, rank=job.rank)
    release = installed_release()
    arguments = dict(job.at("from_hugging_face"))
    of_gemma = job.architecture.startswith("Gemma")
    if release >= Release(0, 12 if of_gemma else 11):
        # Never None: LLaMA of 0.11 to 0.14 asks it for its quant_mode.
        arguments["quant_config"] = quant_config(job)
    name = "hf_model_dir" if of_gemma or release < Release(0, 11) else "hf_model_or_dir"
    return _class(job).from_hugging_face(**{name: job.source}, mapping=mapping(job), **arguments)


def build(job: Job, made: Any) -> None:
    """Build the engine of a model, which this changes, and save it as `rank<N>.engine`; config.json on rank 0."""
    for name, value in job.at("model.config").items():
        setattr(made.config, name, value)
    if installed_release() < Release(0, 9):
        from tensorrt_llm.commands.build import build_model

        # from_hugging_face of 0.8.0 leaves every model at rank 0, and each would be saved as rank0.engine.
        made.config.set_rank(rank=job.rank)
        engine = build_model(model=made, build_config=build_config(job))
    else:
        from tensorrt_llm.builder import build as build_engine

        engine = build_engine(model=made, build_config=build_config(job))
    engine.save(engine_dir=job.out)


def use_gpu(rank: int) -> None:
    """Make the rank's GPU the current one: nothing in the library does so before an engine is built."""
    import torch

    count = torch.cuda.device_count()
    if count:
        torch.cuda.set_device(rank % count)


def installed_release() -> Release:
    """Return the release that was imported."""
    import tensorrt_llm

    return Release.of(tensorrt_llm.__version__)


def _class(job: Job) -> Any:
    from tensorrt_llm.models import MODEL_MAP

    try:
        return MODEL_MAP[job.architecture]
    except KeyError:
        raise CompileError(
            f"TensorRT-LLM {installed_release()} has no class for {job.architecture}, as {job.origin} is one."
        ) from None


def mapping(job: Job) -> Any:
    """Return the rank's place among all."""
    from tensorrt_llm.mapping import Mapping

    return Mapping(rank=job.rank, **job.at("Mapping"))


def quant_config(job: Job) -> Any:
    """Return how the model is quantised; an empty one where it is not."""
    from tensorrt_llm.models.modeling_utils import QuantConfig

    values = dict(job.at("QuantConfig"))
    if values:
        from tensorrt_llm.quantization import QuantAlgo

        values |= {name: getattr(QuantAlgo, str(values[name])) for name in _ALGORITHMS if values.get(name)}
    return QuantConfig(**values)


def build_config(job: Job) -> Any:
    """Return what the engine is built for, plugins included."""
    from tensorrt_llm.builder import BuildConfig
    from tensorrt_llm.plugin import PluginConfig

    # A fresh one: up to 0.10 all BuildConfig() share one. Attributes: from 0.11 on it takes no arguments, and a
    # dictionary in its place would stay one.
    plugins = PluginConfig()
    for name, value in job.at("PluginConfig").items():
        setattr(plugins, name, value)
    return BuildConfig(**job.at("BuildConfig"), plugin_config=plugins)


def _correct(file: Path, values: dict[str, object]) -> None:
    """Set values of a JSON file by dotted names: ModelOpt of 0.14 writes an FP8 KV cache that nobody asked for."""
    content = json.loads(file.read_text(encoding="utf-8"))
    for dotted, value in values.items():
        *path, name = dotted.split(".")
        target = content
        for step in path:
            target = target.setdefault(step, {})
        target[name] = value
    file.write_text(json.dumps(content, indent=4), encoding="utf-8")
