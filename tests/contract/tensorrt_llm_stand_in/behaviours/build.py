"""`build`: one engine of one model, which is used up by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import checkpoint
from tests.contract.tensorrt_llm_stand_in.behaviours.build_config import settled
from tests.contract.tensorrt_llm_stand_in.behaviours.engine import made
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour, behind
from tests.contract.tensorrt_llm_stand_in.engine_directory import RankFile
from tests.contract.tensorrt_llm_stand_in.library import Library

TYPES = ("float16", "float32", "bfloat16", "int32")
FP8_CAPABILITY = (8, 9)
LIMITS = ("max_input_len", "max_batch_size", "max_beam_width", "max_num_tokens")


@behaviour("tensorrt_llm.builder.build")
def build(context: Context, *, model: Any, build_config: Any, return_build_config: bool = False) -> Any:
    """Return the engine of a rank."""
    library, own = context.library, behind(model)
    config = own.config.to_dict()
    rank, world = config["mapping"]["rank"], config["mapping"]["world_size"]
    context.trip("build", rank)
    if own.used:
        raise RuntimeError("Parameter transformer.vocab_embedding.weight is already registered in a network")
    fields = settled(build_config, config["max_position_embeddings"])
    _device(library, rank)
    _limits(fields, config)
    _plugins(fields["plugin_config"], config, library)
    own.used = True
    if return_build_config:
        return build_config
    gpu = library.knobs.gpu
    file = RankFile(library.version, rank, world, gpu.name, gpu.capability, own.digest)
    return made(library, config, fields, build_config, file)


@behaviour("tensorrt_llm.commands.build.build_model")
def build_model(
    context: Context,
    *,
    build_config: Any,
    model: Any = None,
    rank: int = 0,
    ckpt_dir: Any = None,
    **others: Any,
) -> Any:
    """The older way: of a model at 0.8, of a converted checkpoint from 0.9 on."""
    if model is None:
        architecture = checkpoint.config_of(Path(ckpt_dir))["architecture"]
        cls = others.get("model_cls") or _class_of(context.library, architecture)
        with context.library.recorder.aside():
            model = cls.from_checkpoint(ckpt_dir=str(ckpt_dir), rank=rank)
    return build(context, model=model, build_config=build_config)


def _class_of(library: Library, architecture: str) -> Any:
    name = library.entries["tensorrt_llm.models.MODEL_MAP"]["map"][architecture]
    return library.symbol(f"tensorrt_llm.models.{name}")


def _device(library: Library, rank: int) -> None:
    count = library.knobs.gpu.count
    if count == 0:
        raise RuntimeError("CUDA initialization failure with error: 35. Please check your CUDA installation")
    if library.knobs.strict_device and rank % count != (library.device or 0):
        raise RuntimeError(
            f"rank {rank} builds on device {library.device or 0}: torch.cuda.set_device was not called"
        )


def _limits(fields: dict[str, Any], config: dict[str, Any]) -> None:
    for name in LIMITS:
        if fields[name] < 1:
            raise ValueError(f"{name} must be positive, got {fields[name]}")
    longest = fields.get("max_seq_len") or fields["max_input_len"] + fields["max_output_len"]
    if (
        config["position_embedding_type"] == "learned_absolute"
        and longest > config["max_position_embeddings"]
    ):
        raise AssertionError(
            f"max_seq_len {longest} > max_position_embeddings {config['max_position_embeddings']}"
        )


def _plugins(plugins: dict[str, Any], config: dict[str, Any], library: Library) -> None:
    block = plugins.get("tokens_per_block")
    if block is not None and (type(block) is not int or block < 8 or block & (block - 1)):
        raise RuntimeError(
            f"[TensorRT-LLM][ERROR] Assertion failed: tokens_per_block must be a power of 2, got {block!r}"
        )
    if plugins.get("use_paged_context_fmha") and plugins.get("paged_kv_cache") is False:
        raise ValueError("Paged context FMHA doesn't work without paged KV cache")
    if library.minor < (0, 11):
        _types(plugins, config["dtype"])
    quantization = config.get("quantization") or {}
    algorithm, cache = quantization.get("quant_algo"), quantization.get("kv_cache_quant_algo")
    capability = tuple(int(part) for part in library.knobs.gpu.capability.split("."))
    if "FP8" in (algorithm, cache) and capability < FP8_CAPABILITY:
        raise RuntimeError(
            f"[TensorRT-LLM][ERROR] FP8 is unsupported on compute capability {library.knobs.gpu.capability}"
        )
    if cache == "FP8" and plugins.get("use_paged_context_fmha") and not plugins.get("use_fp8_context_fmha"):
        raise RuntimeError("[TensorRT-LLM][ERROR] FP8 paged context FMHA needs use_fp8_context_fmha")
    if cache == "INT8" and plugins.get("use_paged_context_fmha"):
        raise RuntimeError(
            "[TensorRT-LLM][ERROR] Paged Context FMHA doesn't work with int8 kv cache currently"
        )


def _types(plugins: dict[str, Any], dtype: str) -> None:
    """Up to 0.10 a plugin's type is a type, there is no `auto`, and the model's own has to be named."""
    for name, value in plugins.items():
        if name.endswith("_plugin") and isinstance(value, str) and value not in TYPES:
            raise KeyError(value)
    for name in ("gpt_attention_plugin", "gemm_plugin"):
        if plugins[name] not in (None, dtype):
            raise RuntimeError(
                f"[TensorRT-LLM][ERROR] {name} {plugins[name]} does not take tensors of {dtype}"
            )
