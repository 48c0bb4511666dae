"""A Hugging Face checkpoint on disk: read its config.json, find and check the files that a build uses.

Nothing here loads weights. A safetensors file is checked by its header: eight bytes of length, then JSON that
gives every tensor's byte range (the format's own specification), so a truncated download is found at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from djl_trtllm.core import Checkpoint
from djl_trtllm.errors import ModelNotFound, UnsupportedModel
from djl_trtllm.s3.address import is_safe

CONFIG = "config.json"
WEIGHTS_INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "qwen.tiktoken",
    "ice_text.model",
    "chat_template.jinja",
    "chat_template.json",
)
_MAX_HEADER = 100 * 2**20
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def read(path: Path, origin: str) -> Checkpoint:
    """Read config.json below `path`. `origin` is what the user called the model; it stands in errors."""
    config = read_json(path / CONFIG, origin)
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or not model_type:
        raise UnsupportedModel(
            f"The {CONFIG} of {origin} has no model_type, so its architecture is unknown."
            " Save the model with transformers' save_pretrained, which writes it."
        )
    return Checkpoint(path=path, model_type=model_type, config=config, origin=origin)


def read_json(file: Path, origin: str) -> dict[str, object]:
    """Read a JSON object that belongs to a model; every failure names the file and the model."""
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise ModelNotFound(f"{file.name} of {origin} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelNotFound(
            f"{file.name} of {origin} is not valid JSON ({file.stat().st_size} bytes)."
            " It is probably truncated: copy or download the model again."
        ) from error
    if not isinstance(content, dict):
        raise ModelNotFound(
            f"{file.name} of {origin} holds no JSON object. Copy or download the model again."
        )
    return content


def check_weights(checkpoint: Checkpoint, *, allow_pickle: bool) -> None:
    """Make sure that there are weights, all of them, in a format that may be read."""
    path, origin = checkpoint.path, checkpoint.origin
    shards = _indexed_shards(path, origin)
    found = sorted(path.glob("*.safetensors"))
    missing = [name for name in shards if not (path / name).is_file()]
    problems = [f"In {origin}: {problem}" for file in found if (problem := _header_problem(file))]
    if missing:
        problems.insert(
            0,
            f"{origin} lacks {len(missing)} of {len(shards)} weight files: {_some(missing)}."
            " Copy or download the model again.",
        )
    if problems:
        raise ModelNotFound(*problems)
    if found:
        return
    check_names((file.name for file in path.iterdir()), origin, allow_pickle=allow_pickle)


def check_names(names: Iterable[str], origin: str, *, allow_pickle: bool) -> None:
    """Refuse a checkpoint without safetensors by the names of its files, unless it has pickles and they are allowed."""
    pickles = sorted(name for name in names if name.endswith(_PICKLES))
    weights = [name for name in pickles if name.endswith(".bin") and "training_args" not in name]
    if weights and allow_pickle:
        return
    if weights:
        raise UnsupportedModel(
            f"{origin} has only pickled weights ({_some(weights)}), and loading a pickle can run any code in it."
            " Use a version of the model with .safetensors files, convert it with safetensors,"
            " or set option.allow_pickle_weights=true if you trust where it comes from."
        )
    if pickles:
        raise UnsupportedModel(
            f"{origin} has no .safetensors weights, only {_some(pickles)}, which cannot be read."
            " Convert the model with transformers' save_pretrained."
        )
    raise ModelNotFound(
        f"{origin} has a {CONFIG} but no weights: no *.safetensors file is there. Copy or download the model again."
    )


def check_code(checkpoint: Checkpoint, families: Iterable[str], *, trusted: bool) -> None:
    """Refuse a checkpoint whose architecture is its own Python code, unless that is trusted."""
    if checkpoint.model_type in families or trusted or "auto_map" not in checkpoint.config:
        return
    raise UnsupportedModel(
        f"{checkpoint.origin} is of type {checkpoint.model_type!r}, which is defined by Python code inside the"
        " checkpoint, and such code is not run by default."
        " Set option.trust_remote_code=true if you have read that code and trust it."
    )


def build_files(checkpoint: Checkpoint, *, code: bool = False) -> list[Path]:
    """List the files whose content decides what a build produces: weights, configuration, tokenizer, code."""
    path = checkpoint.path
    names = {CONFIG, "generation_config.json", WEIGHTS_INDEX, *TOKENIZER_FILES}
    files = [path / name for name in names if (path / name).is_file()]
    weights = list(path.glob("*.safetensors")) or list(path.glob("pytorch_model*.bin*"))
    return sorted({*files, *weights, *(path.glob("*.py") if code else ())})


def weights_bytes(checkpoint: Checkpoint) -> int:
    """Return the size of the weight files in bytes."""
    files = list(checkpoint.path.glob("*.safetensors")) or list(checkpoint.path.glob("pytorch_model*.bin"))
    return sum(file.stat().st_size for file in files)


def _indexed_shards(path: Path, origin: str) -> Sequence[str]:
    index = path / WEIGHTS_INDEX
    if not index.is_file():
        return ()
    weight_map = read_json(index, origin).get("weight_map")
    if not isinstance(weight_map, Mapping):
        raise ModelNotFound(
            f"{WEIGHTS_INDEX} of {origin} has no weight_map. Copy or download the model again."
        )
    names = sorted({str(name) for name in weight_map.values()})
    elsewhere = [
        name for name in names if "/" in name or not is_safe(name) or not name.endswith(".safetensors")
    ]
    if elsewhere:
        raise UnsupportedModel(
            f"{WEIGHTS_INDEX} of {origin} names what is no .safetensors file beside it: {_some(elsewhere)}."
            " Save the model with transformers' save_pretrained."
        )
    return names


def _header_problem(file: Path) -> str | None:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                return (
                    f"{file.name} is not a whole safetensors file ({size} bytes). Copy or download it again."
                )
            header = json.loads(stream.read(length))
        ends = [_end(tensor) for name, tensor in header.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        return (
            f"{file.name} cannot be read as safetensors ({type(error).__name__}). Copy or download it again."
        )
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        return f"{file.name} has {size} bytes and should have {expected}. Copy or download it again."
    return None


def _end(tensor: Mapping[str, object]) -> int:
    """Return where a tensor ends; ValueError where its entry is not one of the format."""
    shape, offsets = tensor["shape"], tensor["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(
            type(number) is int and number >= 0 for number in numbers
        ):
            raise ValueError
    return int(offsets[1])  # type: ignore[index]


def _some(names: Sequence[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(name if name.isprintable() else ascii(name) for name in names[:shown]) + more
