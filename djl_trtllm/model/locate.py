"""From what the user wrote as a model to a directory on this machine that holds it.

`option.model_id` is a directory or a hub id; without it the model directory itself holds the model. A directory
is a Hugging Face checkpoint, or holds TensorRT-LLM engines or an OpenVINO model, which need no compiling. The
names of files decide which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, CompiledModel, Progress
from djl_trtllm.errors import ModelNotFound, UnsupportedModel
from djl_trtllm.model import checkpoint, engine_layouts, hub, partitioned
from djl_trtllm.model.families import FAMILIES

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

OPENVINO_FILES = ("openvino_model.xml", "openvino_model.bin")
_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def locate(options: Options, environ: Mapping[str, str], progress: Progress) -> Checkpoint | CompiledModel:
    """Find the model, downloading it from the hub if it is not here; check that it can be loaded at all.

    Raises `ModelNotFound` where nothing (whole) is found, `UnsupportedModel` where it is in a format that is
    not taken or needs code or pickles that the options do not allow.
    """
    progress.stage("locating the model")
    path, origin = _directory(options, environ, progress)
    source = partitioned.source(path, options)
    if source is not None:
        options = replace(options, model_id=source.model_id, revision=source.revision)
        path, origin = _directory(options, environ, progress)
    if all((path / name).is_file() for name in OPENVINO_FILES):
        return CompiledModel(
            path=path, origin=origin, why="it is an OpenVINO model already", runtime="openvino"
        )
    engines = engine_layouts.find(path, origin)
    if engines is not None:
        return engines
    if not (path / checkpoint.CONFIG).is_file():
        raise _nothing_in(path, origin)
    found = checkpoint.read(path, origin)
    checkpoint.check_code(found, FAMILIES, trusted=options.trust_remote_code)
    checkpoint.check_weights(found, allow_pickle=options.allow_pickle_weights)
    return found


def tokenizer_directory(options: Options, environ: Mapping[str, str], progress: Progress) -> Path | None:
    """Find what option.tokenizer names; None where it is not set and the model's own tokenizer holds."""
    if options.tokenizer is None:
        return None
    local = _local(options.tokenizer, Path(options.model_dir), "tokenizer")
    if local is not None:
        return local
    return hub.download(options.tokenizer, None, list(checkpoint.TOKENIZER_FILES), environ, progress)


def _directory(options: Options, environ: Mapping[str, str], progress: Progress) -> tuple[Path, str]:
    if options.model_id is None:
        path = Path(options.model_dir).resolve()
        if not path.is_dir():
            raise ModelNotFound(f"The model directory {path} does not exist.")
        return path, f"the model directory {path.name}"
    local = _local(options.model_id, Path(options.model_dir), "model_id")
    if local is not None:
        return local, str(local)
    origin = options.model_id if options.revision is None else f"{options.model_id}@{options.revision}"
    wanted = list(hub.CHECKPOINT_FILES)
    if options.trust_remote_code:
        wanted.append("*.py")
    path = hub.download(options.model_id, options.revision, wanted, environ, progress)
    if options.allow_pickle_weights and not any(path.glob("*.safetensors")):
        path = hub.download(options.model_id, options.revision, [*wanted, "*.bin"], environ, progress)
    if engine_layouts.is_described(path):
        path = hub.download(options.model_id, options.revision, [*wanted, "*.engine"], environ, progress)
    return path, origin


def _local(name: str, model_dir: Path, option: str) -> Path | None:
    """Return the directory that a name means, or None when it is a hub id. Relative names start at the model."""
    if not name.isprintable():
        raise ModelNotFound(f"option.{option} holds characters that cannot be printed.")
    scheme = _SCHEME.match(name)
    if scheme:
        raise ModelNotFound(
            f"option.{option}={name!r}: {scheme[1]}:// addresses are not read by the handler."
            " Give a directory or a hub id (DJL-Serving itself fetches s3:// before the handler starts)."
        )
    for path in (model_dir / Path(name).expanduser(), Path(name).expanduser()):
        if path.is_dir():
            return path.resolve()
        if path.is_file():
            raise ModelNotFound(
                f"option.{option}={name!r} is a file. Give the directory that holds the model."
            )
    if Path(name).is_absolute() or name.startswith((".", "~")) or not _HUB_ID.fullmatch(name) or ".." in name:
        raise ModelNotFound(
            f"option.{option}={name!r}: there is no such directory, and it is not a hub id like owner/name."
        )
    return None


def _nothing_in(path: Path, origin: str) -> ModelNotFound | UnsupportedModel:
    """Say what a directory without a checkpoint holds instead, as far as its file names tell."""
    names = sorted(entry.name for entry in path.iterdir())
    if any(name.endswith(".gguf") for name in names):
        return UnsupportedModel(
            f"{origin} holds GGUF files. Give the Hugging Face checkpoint they were made from."
        )
    if "adapter_config.json" in names:
        return UnsupportedModel(f"{origin} holds a LoRA adapter. Merge it into its base model first.")
    listing = (
        f"It holds {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}."
        if names
        else "It is empty."
    )
    return ModelNotFound(
        f"No model in {origin}: neither {checkpoint.CONFIG} with *.safetensors (a Hugging Face checkpoint)"
        f" nor rank0.engine nor {OPENVINO_FILES[0]} is there. {listing}"
    )
