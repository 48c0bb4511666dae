"""Which tokenizer a model is served with, in the form that serving reads: tokenizer.json.

A model that we compiled has it beside its engines. Engines and checkpoints that are served as they are may bring
only what transformers reads (tokenizer.model, vocab.json with merges.txt, code); that is converted once, in a process
of its own, into the cache, because importing transformers takes longer than loading a small engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.compile import cache
from djl_trtllm.compile.fingerprint import Memory, digests
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import CompiledModel, Plan, Progress
from djl_trtllm.engines.building import inputs, process, tokenizer_child
from djl_trtllm.engines.building.tokenizer_child import TokenizerJob
from djl_trtllm.errors import ArtifactError
from djl_trtllm.model.checkpoint import TOKENIZER_FILES
from djl_trtllm.model.locate import tokenizer_directory
from djl_trtllm.ranks import Solo

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

FAST = "tokenizer.json"
_SLOW = ("vocab.json", "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
_SLOW_PATTERNS = ("tokenization_*.py", "*.tiktoken")
_READ = ("config.json", "generation_config.json", *TOKENIZER_FILES)
_RECIPE = ("slow_tokenizer.py", "text_facts.py")
_LIBRARIES = ("transformers", "tokenizers", "sentencepiece", "tiktoken")


def ensure(
    model: CompiledModel, options: Options, environ: Mapping[str, str], progress: Progress
) -> CompiledModel:
    """Return the model with `text_path` set to a directory that has tokenizer.json. On rank 0 only.

    Raises `ArtifactError` where there is no tokenizer at all, `ModelNotFound` where option.tokenizer is not there,
    `CompileError` where it cannot be converted.
    """
    named = tokenizer_directory(options, environ, progress)
    ours = not model.runtime and (model.path / "text.json").is_file()
    if ours and (named is None or not (named / FAST).is_file()):
        return model  # option.tokenizer went into it when it was compiled
    home = named if named is not None else _home(model)
    if home is None or not has_tokenizer(home):
        raise ArtifactError(_missing(model, named))
    if not (home / FAST).is_file():
        home = _converted(home, model, options, environ, progress)
    return model if home == model.text_path else replace(model, text=home)


def has_tokenizer(directory: Path) -> bool:
    """Whether a directory holds any tokenizer, tokenizer.json or another."""
    return any((directory / name).is_file() for name in (FAST, *_SLOW)) or any(
        True for pattern in _SLOW_PATTERNS for _ in directory.glob(pattern)
    )


def _home(model: CompiledModel) -> Path | None:
    return next((place for place in (model.text_path, model.path) if has_tokenizer(place)), None)


def _missing(model: CompiledModel, named: Path | None) -> str:
    places = [named] if named is not None else list(dict.fromkeys((model.text_path, model.path)))
    return (
        f"No tokenizer in {' and '.join(map(str, places))}: neither {FAST} nor tokenizer.model or vocab.json is there."
        " Copy the tokenizer's files of the Hugging Face checkpoint there, or name its directory or hub id as"
        " option.tokenizer."
    )


def _converted(
    home: Path, model: CompiledModel, options: Options, environ: Mapping[str, str], progress: Progress
) -> Path:
    code = options.trust_remote_code
    files = [file for file in sorted(home.iterdir()) if file.is_file() and _is_read(file, code=code)]
    settings = CacheSettings.of(options, environ)
    memory = None if options.cache == "off" else settings.fingerprints
    plan = Plan(
        runtime="tokenizer",
        model_type="tokenizer",
        inputs=digests([(file.name, file) for file in files], Memory(memory)),
        options={"trust_remote_code": code},
        versions={
            "recipe": inputs.recipe(Path(process.__file__).with_name(name) for name in _RECIPE),
            **{name: inputs.version(name) for name in _LIBRARIES},
        },
        device="any",
    )

    def build(out: Path, news: Progress) -> None:
        job = TokenizerJob(
            origin=model.origin,
            tokenizer=str(home),
            source=str(home),
            out=str(out),
            trust_remote_code=code,
            hide_config=not _is_checkpoints(home),
        )
        process.run(_process(job), news)

    return cache.ensure(Recipe(plan, build), Solo(), settings, progress).path


def _is_read(file: Path, *, code: bool) -> bool:
    return file.name in _READ or file.suffix == ".tiktoken" or (code and file.suffix == ".py")


def _is_checkpoints(home: Path) -> bool:
    """Whether config.json is one that transformers knows what to make of."""
    from djl_trtllm.model.checkpoint import CONFIG, read_json

    return (home / CONFIG).is_file() and "model_type" in read_json(home / CONFIG, str(home))


def _process(job: TokenizerJob) -> process.Build:
    out = Path(job.out)
    return process.Build(
        module=tokenizer_child.__name__,
        job=job,
        origin=f"the tokenizer of {job.origin}",
        out=out,
        scratch=out / tokenizer_child.SCRATCH,
        memory=lambda how: f"Converting the tokenizer of {job.origin} {how}. Give the machine more memory.",
    )
