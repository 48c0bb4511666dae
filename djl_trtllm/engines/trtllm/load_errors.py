"""What the library says when it cannot load an engine, in a sentence that names the way out."""

from __future__ import annotations

from djl_trtllm.errors import ArtifactError, LoadError, OutOfMemory

_MEMORY = ("out of memory", "outofmemory", "cudaerrormemoryallocation", "cuda_error_out_of_memory")
_NO_KV_CACHE = ("no free memory", "kv cache blocks", "max_blocks_per_seq", "insufficient memory for kv")
_DAMAGED = (
    "deserializ",
    "serialization assertion",
    "version tag does not match",
    "incompatible device",
    "engine file",
    "parse_error",
)
_OF_GUIDES = ("grammar", "regex_converter", "json_schema", "ebnf", "guid")
_LONGEST = 500


def load_error(error: BaseException, what: str) -> LoadError:
    """Return the `LoadError` for what opening `what` raised."""
    if isinstance(error, LoadError):
        return error
    text = one_line(error)
    folded = f"{type(error).__name__} {text}".lower()
    if isinstance(error, MemoryError) or any(sign in folded for sign in _MEMORY + _NO_KV_CACHE):
        return OutOfMemory(
            f"There is not enough GPU memory for {what} and its KV cache: {text}. Lower max_rolling_batch_size,"
            " max_input_len with max_output_len, or kv_cache_free_gpu_mem_fraction; or use quantize, or more GPUs"
            " with tensor_parallel_degree."
        )
    if any(sign in folded for sign in _DAMAGED):
        return ArtifactError(f"TensorRT-LLM cannot load {what}: {text}. Build it again on this machine.")
    return LoadError(f"TensorRT-LLM cannot open {what}: {text}.")


def of_guides(message: str) -> bool:
    """Whether the library says something of a guide, which it quotes."""
    folded = message.lower()
    return any(sign in folded for sign in _OF_GUIDES)


def one_line(error: BaseException) -> str:
    """Return the first line of an error. A binding's TypeError goes on with the arguments, token ids among them."""
    if isinstance(error, TypeError):
        return f"{type(error).__name__}, see the signatures of this release"
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:_LONGEST].rstrip(".")
