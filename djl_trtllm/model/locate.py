"""From what the user wrote as a model to a directory on this machine that holds it.

`option.model_id` is a directory, a hub id or an address in S3; without it the model directory itself holds the model.
It is a Hugging Face checkpoint, or holds TensorRT-LLM engines or an OpenVINO model, which need no compiling. The names
of files decide which. Of what is not on this machine only the files that are needed are fetched.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, CompiledModel, Progress
from djl_trtllm.errors import ModelNotFound
from djl_trtllm.model import bucket, checkpoint, contents, engine_layouts, hub, partitioned
from djl_trtllm.model.families import FAMILIES
from djl_trtllm.options import places
from djl_trtllm.s3 import address

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_logger = logging.getLogger(__name__)


def locate(options: Options, environ: Mapping[str, str], progress: Progress) -> Checkpoint | CompiledModel:
    """Find the model, downloading it if it is not here; check that it can be loaded at all.

    Raises `ModelNotFound` where nothing (whole) is found or there is no room for it, `UnsupportedModel` where it is in
    a format that is not taken, is not the only one there, or needs code or pickles that the options do not allow.
    """
    progress.stage("locating the model")
    path, origin = _directory(options, environ, progress)
    source = partitioned.source(path, options)
    if source is not None:
        options = replace(options, model_id=source.model_id, revision=source.revision)
        path, origin = _directory(options, environ, progress)
    names = [entry.name for entry in path.iterdir()]
    if contents.is_openvino(names):
        deeper = [file.relative_to(path).as_posix() for file in path.glob("**/1/*.engine")]
        contents.check_one_kind([*names, *deeper], origin)
        if any(name.endswith(".safetensors") for name in names):
            _logger.info("%s holds an OpenVINO model and a checkpoint; the OpenVINO model is taken", origin)
        why = "it is an OpenVINO model already"
        return CompiledModel(path=path, origin=origin, why=why, runtime="openvino")
    engines = engine_layouts.find(path, origin)
    if engines is not None:
        return engines
    if not (path / checkpoint.CONFIG).is_file():
        raise contents.nothing(names, names, origin)
    found = checkpoint.read(path, origin)
    checkpoint.check_code(found, FAMILIES, trusted=options.trust_remote_code)
    checkpoint.check_weights(found, allow_pickle=options.allow_pickle_weights)
    return found


def tokenizer_directory(options: Options, environ: Mapping[str, str], progress: Progress) -> Path | None:
    """Find what option.tokenizer names; None where it is not set and the model's own tokenizer holds."""
    name = options.tokenizer
    if name is None:
        return None
    local = _local(name, Path(options.model_dir), "tokenizer")
    if local is not None:
        return local

    def choose(names: Collection[str]) -> list[str]:
        found = sorted(set(names) & set(checkpoint.TOKENIZER_FILES))
        if not found:
            raise ModelNotFound(
                f"option.tokenizer={name!r} has no tokenizer: none of {', '.join(checkpoint.TOKENIZER_FILES[:3])}"
                " or their like is there."
            )
        return found

    if address.is_address(name):
        return bucket.fetch(name, "tokenizer", choose, options, environ, progress)
    return hub.download(name, None, choose, environ, progress, "tokenizer")


def _directory(options: Options, environ: Mapping[str, str], progress: Progress) -> tuple[Path, str]:
    name = options.model_id
    if name is None:
        path = Path(options.model_dir).resolve()
        if not path.is_dir():
            raise ModelNotFound(f"The model directory {path} does not exist.")
        return path, f"the model directory {path.name}"
    local = _local(name, Path(options.model_dir), "model_id")
    if local is not None:
        return local, str(local)
    remote = address.is_address(name)
    origin = name if remote or options.revision is None else f"{name}@{options.revision}"

    def choose(names: Collection[str]) -> list[str]:
        code, pickles = options.trust_remote_code, options.allow_pickle_weights
        return contents.needed(names, origin, code=code, pickles=pickles)

    if remote:
        return bucket.fetch(name, "model_id", choose, options, environ, progress), origin
    return hub.download(name, options.revision, choose, environ, progress), origin


def _local(name: str, model_dir: Path, option: str) -> Path | None:
    """Return the directory that a name means, or None when it is elsewhere. Relative names start at the model."""
    if not name.isprintable():
        raise ModelNotFound(f"option.{option} holds characters that cannot be printed.")
    if address.is_address(name):
        return None
    scheme = _SCHEME.match(name)
    if scheme:
        raise ModelNotFound(
            f"option.{option}: {scheme[1]}:// addresses are not read. Give a directory, a hub id, or an address"
            " s3://bucket/prefix."
        )
    named = places.expanded(name)
    for path in (model_dir / named, named):
        if places.is_directory(path):
            return path.resolve()
        if places.is_file(path):
            raise ModelNotFound(
                f"option.{option}={name!r} is a file. Give the directory that holds the model."
            )
    if Path(name).is_absolute() or name.startswith((".", "~")) or not _HUB_ID.fullmatch(name) or ".." in name:
        raise ModelNotFound(
            f"option.{option}={name!r}: there is no such directory, and it is not a hub id like owner/name."
        )
    return None
