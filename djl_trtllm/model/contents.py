"""What a listing of names tells of a model that is not here yet: which files a load needs, and what is there instead.

Names are relative to what the user named, with slashes. The layouts are those of `checkpoint`, `engine_layouts` and
OpenVINO's exports; of a checkpoint only files at its top count.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from djl_trtllm.errors import ModelNotFound, UnsupportedModel
from djl_trtllm.model import checkpoint, engine_layouts
from djl_trtllm.model.triton_config import NAME as PBTXT

OPENVINO_FILES = ("openvino_model.xml", "openvino_model.bin")
_OPENVINO = re.compile(r"openvino_[^/]*\.(xml|bin)")
_TEXTS = (".json", ".model", ".tiktoken", ".txt", ".jinja")
_ENGINES = re.compile(r"(?:((?:[^/]+/)?1)/)?[^/]+\.engine")
_CONFIG = re.compile(r"((?:[^/]+/)?1)/config\.json")
_TRAINING = ("training_args.bin", "optimizer.bin", "scheduler.bin", "scaler.bin")
_SECOND = ("consolidated", "adapter_model")
"""What the names of other weights than transformers' own begin with, where both are there."""


def needed(names: Collection[str], origin: str, *, code: bool, pickles: bool) -> list[str]:
    """Return the names of the files that a load needs. `code` and `pickles` say what the options allow.

    Raises `ModelNotFound` where there is no model among them, `UnsupportedModel` where it is not clear which one is
    meant or its weights may not be read.
    """
    top = sorted(name for name in names if "/" not in name)
    texts = [name for name in top if name.endswith(_TEXTS)]
    if code:
        texts += [name for name in top if name.endswith(".py")]
    engines = _engines(names)
    configs = sorted({match[1] for name in names if (match := _CONFIG.fullmatch(name))})
    weights = _weights(top)
    engine_layouts.check_places(
        origin, engines, checkpoint=bool(weights) and checkpoint.CONFIG in top and "" not in engines
    )
    if is_openvino(top):
        check_one_kind(names, origin)
        return [*texts, *(name for name in top if _OPENVINO.fullmatch(name))]
    if engines or (configs and checkpoint.CONFIG not in top):
        return [*texts, *_repository(names, [*engines, *configs], code=code)]
    if checkpoint.CONFIG not in top:
        raise nothing(top, names, origin)
    if not weights:
        checkpoint.check_names(top, origin, allow_pickle=pickles)
        weights = [name for name in top if name.endswith(".bin") and name not in _TRAINING]
    return [*texts, *weights]


def is_openvino(names: Collection[str]) -> bool:
    """Whether names at the top are those of an OpenVINO model."""
    return all(name in names for name in OPENVINO_FILES)


def check_one_kind(names: Iterable[str], origin: str) -> None:
    """Refuse with `UnsupportedModel` engines beside an OpenVINO model."""
    if _engines(names):
        raise UnsupportedModel(
            f"{origin} holds an OpenVINO model and TensorRT engines, and one model is served."
            " Move one of them to a directory of its own, and give the other as option.model_id."
        )


def nothing(top: Iterable[str], names: Collection[str], origin: str) -> ModelNotFound | UnsupportedModel:
    """Say what is there instead of a model, as far as names tell. `top` are those without a slash."""
    top = sorted(top)
    if any(name.endswith(".gguf") for name in top):
        return UnsupportedModel(
            f"{origin} holds GGUF files. Give the Hugging Face checkpoint they were made from."
        )
    if "adapter_config.json" in top:
        return UnsupportedModel(f"{origin} holds a LoRA adapter. Merge it into its base model first.")
    shown = sorted({name.partition("/")[0] for name in names})
    listing = (
        f"It holds {', '.join(shown[:5])}{' and more' if len(shown) > 5 else ''}."
        if shown
        else "It is empty."
    )
    return ModelNotFound(
        f"No model in {origin}: neither {checkpoint.CONFIG} with *.safetensors (a Hugging Face checkpoint)"
        f" nor rank0.engine nor {OPENVINO_FILES[0]} is there. {listing}"
    )


def _engines(names: Iterable[str]) -> list[str]:
    """Return the directories that hold engines in one of LMI's layouts; the empty one is the top."""
    return sorted({match[1] or "" for name in names if (match := _ENGINES.fullmatch(name))})


def _weights(top: Collection[str]) -> list[str]:
    found = [name for name in top if name.endswith(".safetensors")]
    return [name for name in found if not name.startswith(_SECOND)] or found


def _repository(names: Collection[str], places: Collection[str], *, code: bool) -> list[str]:
    """Return the engines of LMI's layouts, with the config.json beside them and the text files one level up."""
    homes = {place.rpartition("/")[0] for place in places if place}
    kinds = (*_TEXTS, PBTXT, ".py") if code else (*_TEXTS, PBTXT)
    found = []
    for name in sorted(names):
        directory, _, file = name.rpartition("/")
        beside = directory in places and (file.endswith(".engine") or file == checkpoint.CONFIG)
        above = directory in homes and file.endswith(kinds)
        # What is a text at the top is taken anyway.
        if (beside or above) and (directory or not file.endswith(_TEXTS)):
            found.append(name)
    return found
