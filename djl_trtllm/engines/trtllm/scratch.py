"""The checkpoint as the library should see it: a directory of links, with what has to differ written out.

config.json        patched with what the options ask for, in the spelling that every release reads
*.safetensors      links; rewritten for InternLM2; one more for an output layer that is tied to the embedding
tokenizer files    links, of another tokenizer where there is one; code only where it is trusted
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.core import Checkpoint, Progress
from djl_trtllm.engines.trtllm import internlm2, weight_files
from djl_trtllm.engines.trtllm.families import Family, family
from djl_trtllm.engines.trtllm.hf_config import patched, spelled_for
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.engines.trtllm.weight_files import Tensor
from djl_trtllm.errors import UnsupportedModel
from djl_trtllm.model.checkpoint import CONFIG, TOKENIZER_FILES, WEIGHTS_INDEX, build_files

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
_GENERATION = "generation_config.json"
_TOKENIZER_CONFIG = "tokenizer_config.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the directory is made from.

    `patch` changes config.json, None removes a name; `tokenizer` is the directory of another tokenizer; `code` says
    whether Python code of the checkpoint may be seen.
    """

    checkpoint: Checkpoint
    patch: Mapping[str, object]
    release: Release
    tokenizer: Path | None = None
    code: bool = False


@dataclass(frozen=True, slots=True)
class _Shard:
    """One file of weights: `source` is linked, without one the tensors are written."""

    tensors: Mapping[str, Tensor]
    source: Path | None = None


def prepare(wanted: Wanted, directory: Path, progress: Progress) -> None:
    """Make `directory`. Raises `UnsupportedModel` or `CompileError` for weights that cannot be made fit, OSError."""
    progress.stage("preparing the checkpoint")
    directory.mkdir(parents=True)
    kind = family(wanted.checkpoint)
    config = dict(wanted.checkpoint.config)
    files = _indexed(build_files(wanted.checkpoint, code=wanted.code))
    shards = _shards(kind, config, files, wanted.checkpoint.origin)
    if shards is None:
        _link((file for file in files if _is_weight(file)), directory)
    else:
        _write(shards, directory, progress)
    if kind.renamed:
        config = internlm2.config_as_llama(config)
    if kind.may_tie:
        config["tie_word_embeddings"] = False
    if not wanted.code:
        config.pop("auto_map", None)
    config = spelled_for(patched(spelled_for(config, wanted.release), wanted.patch), wanted.release)
    (directory / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
    _tokenizer(wanted, files, directory)
    if kind.name.startswith("qwen") and not (directory / _GENERATION).exists():
        # The SmoothQuant of Qwen at 0.14 opens it without a look whether it is there.
        (directory / _GENERATION).write_text("{}", encoding="utf-8")


def _indexed(files: Sequence[Path]) -> Sequence[Path]:
    """Leave out weights that the index does not name, as the second copy in another layout that Mistral puts beside."""
    index = next((file for file in files if file.name == WEIGHTS_INDEX), None)
    if index is None:
        return files
    named = set(json.loads(index.read_bytes())["weight_map"].values())
    return [file for file in files if file.suffix != ".safetensors" or file.name in named]


def _shards(
    kind: Family, config: Mapping[str, object], files: Sequence[Path], origin: str
) -> Sequence[_Shard] | None:
    """Return the files of weights to make; None where those of the checkpoint can be linked as they are."""
    weights = [file for file in files if file.suffix == ".safetensors"]
    if not weights:
        reason = (
            "renamed" if kind.renamed else "completed by its output layer" if _says_tied(kind, config) else ""
        )
        if reason:
            raise UnsupportedModel(
                f"The weights of {origin} have to be {reason} for TensorRT-LLM, which can be done with .safetensors"
                " files and not with .bin files. Convert them with transformers' save_pretrained, or take a version of"
                " the model that has .safetensors files."
            )
        return None
    if not (kind.renamed or kind.may_tie):
        return None
    held = {file: weight_files.read(file) for file in weights}
    if kind.renamed:
        shards = [_Shard(internlm2.tensors_as_llama(tensors, config)) for tensors in held.values()]
    else:
        shards = [_Shard(tensors, file) for file, tensors in held.items()]
    named = {name: tensor for shard in shards for name, tensor in shard.tensors.items()}
    if HEAD not in named and EMBEDDING in named and config.get("tie_word_embeddings", True):
        # The LLaMA class up to 0.14, and Qwen 2 at 0.14, fail on a checkpoint without an output layer of its own.
        return [*shards, _Shard({HEAD: named[EMBEDDING]})]
    return shards if kind.renamed else None


def _says_tied(kind: Family, config: Mapping[str, object]) -> bool:
    return kind.may_tie and config.get("tie_word_embeddings") is True


def _write(shards: Sequence[_Shard], directory: Path, progress: Progress) -> None:
    """Link and write the files, numbered, with an index: transformers reads a lone model.safetensors and no other."""
    names = [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    total = sum(tensor.size for shard in shards if shard.source is None for tensor in shard.tensors.values())
    done = 0

    def wrote(count: int) -> None:
        nonlocal done
        done += count
        progress.stage("writing the weights anew", 100 * done / total)

    for name, shard in zip(names, shards, strict=True):
        if shard.source is not None:
            (directory / name).symlink_to(shard.source.resolve())
        else:
            weight_files.write(directory / name, shard.tensors, wrote)
    placed = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard.tensors}
    size = sum(tensor.size for shard in shards for tensor in shard.tensors.values())
    weight_files.write_index(directory / WEIGHTS_INDEX, placed, size)


def _tokenizer(wanted: Wanted, files: Iterable[Path], directory: Path) -> None:
    """Link what is neither weights nor config.json; tokenizer_config.json names code only where it is trusted."""
    others = {file.name: file for file in files if not _is_weight(file) and file.name != CONFIG}
    if wanted.tokenizer is not None:
        for name in TOKENIZER_FILES:
            others.pop(name, None)
        found = (wanted.tokenizer / name for name in TOKENIZER_FILES)
        others |= {file.name: file for file in found if file.is_file()}
    named = others.pop(_TOKENIZER_CONFIG, None)
    _link(others.values(), directory)
    if named is not None:
        content = json.loads(named.read_text(encoding="utf-8"))
        if not wanted.code and isinstance(content, dict):
            content.pop("auto_map", None)
        (directory / _TOKENIZER_CONFIG).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _is_weight(file: Path) -> bool:
    return (
        file.suffix == ".safetensors" or file.name == WEIGHTS_INDEX or file.name.startswith("pytorch_model")
    )


def _link(files: Iterable[Path], directory: Path) -> None:
    for file in files:
        (directory / file.name).symlink_to(file.resolve())
