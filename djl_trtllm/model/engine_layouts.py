"""Where engines lie in what the user names: in the directory itself, or in a model repository of LMI's.

<model>/rank<N>.engine + config.json + tokenizer files            flat: trtllm-build, LLM.save, LMI 0.33 and later
<model>/<name>/1/*rank<N>.engine + config.json                    LMI 0.25 to 0.32, a layout of Triton's,
<model>/<name>/config.pbtxt + tokenizer files                     where <model>/<name> is taken as well
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from djl_trtllm.core import CompiledModel
from djl_trtllm.errors import UnsupportedModel
from djl_trtllm.model import triton_config
from djl_trtllm.model.checkpoint import read_json
from djl_trtllm.model.engine_directory import CONFIG, is_builders

RUNTIME = "trtllm"
_VERSION = "1"
_AGAIN = "Copy it again, whole."


def find(path: Path, origin: str) -> CompiledModel | None:
    """Return the engines that are in `path`, None where there are none.

    `UnsupportedModel` where it cannot be told which engines are meant, or half of them is missing.
    """
    found = list(_directories(path))
    if not found:
        return None
    checkpoint = path not in found and any(path.glob("*.safetensors")) and (path / CONFIG).is_file()
    names = [place.relative_to(path).as_posix() if place != path else "" for place in found]
    check_places(origin, names, checkpoint=checkpoint)
    place = found[0]
    _check_pair(place, origin)
    home = _home(place, path)
    config = home / triton_config.NAME if home is not None else None
    brought = triton_config.read(config) if config is not None and config.is_file() else {}
    return CompiledModel(
        path=place,
        origin=origin,
        why="it holds TensorRT-LLM engines already",
        runtime=RUNTIME,
        options=brought,
        text=home,
    )


def check_places(origin: str, places: Sequence[str], *, checkpoint: bool) -> None:
    """Refuse with `UnsupportedModel` engines in more than one place, or beside a checkpoint.

    `places` are directories relative to what is named, the empty one that itself.
    """
    if len(places) > 1 or (places and checkpoint):
        shown = ", ".join(place or "the directory itself" for place in places)
        also = " and a Hugging Face checkpoint beside them" if checkpoint else ""
        raise UnsupportedModel(
            f"{origin} holds engines in {shown}{also}, and one model is served."
            " Give the directory of the one that is meant as option.model_id."
        )


def is_described(place: Path) -> bool:
    """Whether the config.json of a directory is that of engines, be they there or not."""
    return (place / CONFIG).is_file() and is_builders(read_json(place / CONFIG, str(place)))


def _directories(path: Path) -> Iterator[Path]:
    """Yield every directory in `path` that holds engines, or should."""
    for place in (path, path / _VERSION, *sorted(path.glob(f"*/{_VERSION}"))):
        repository = place != path and (place.parent / triton_config.NAME).is_file()
        # A repository of Triton's has neighbours without engines: preprocessing/1 holds Python.
        bare = repository and not any(place.glob("*.py")) if place.is_dir() else False
        if any(place.glob("*.engine")) or bare or is_described(place):
            yield place


def _check_pair(place: Path, origin: str) -> None:
    """Engines need the config.json of their builder, and it needs them."""
    engines = sorted(file.name for file in place.glob("*.engine"))
    if not engines:
        raise UnsupportedModel(
            f"{place} should hold the engines of {origin} and has no *.engine file. {_AGAIN}"
        )
    if not (place / CONFIG).is_file():
        raise UnsupportedModel(
            f"{place} has {engines[0]} but no {CONFIG}, which TensorRT-LLM writes beside its engines. {_AGAIN}"
        )
    if is_described(place):
        return
    if any(place.glob("*.safetensors")):
        raise UnsupportedModel(
            f"{place} holds both a Hugging Face checkpoint and TensorRT engines, and its {CONFIG} is the checkpoint's."
            " Move the engines to a directory of their own, with the config.json that was written with them."
        )
    raise UnsupportedModel(
        f"The {CONFIG} of {place} is not the one that TensorRT-LLM wrote beside {engines[0]}: it has no build_config."
        " Put that one there; the tokenizer's files do not need the checkpoint's config.json."
    )


def _home(place: Path, path: Path) -> Path | None:
    """Return the directory one level up where it is the model's own: it has config.pbtxt and the tokenizer."""
    parent = place.parent
    own = (parent / triton_config.NAME).is_file() or place != path
    return parent if own and place.name == _VERSION else None
