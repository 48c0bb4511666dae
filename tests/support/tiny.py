"""Tiny random checkpoints, their compiled models and transformers' own greedy answers, made once and kept.

Everything lives under build/tiny/<digest of the sources that make it>; a file lock makes sure that only one
process makes it. transformers and torch are imported in subprocesses only: they take ten seconds and warn.

    checkpoint("llama") -> Path         a Hugging Face checkpoint of about half a million parameters, fp32
    compiled("llama") -> Path           the same, compiled by djl_trtllm itself, fp32
    compiled_many(["llama", "gpt2"])    several at once, in one subprocess: importing torch costs more than a build
    reference("llama", prompts, 16)     transformers' greedy continuation of each prompt, ids, EOS included

The models' tokenizers are real, with 700 tokens: byte-level BPE, and for llama, mistral and mixtral a Metaspace
BPE with byte fallback. Each model takes 1024 positions.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = (Path(__file__), Path(__file__).with_name("tiny_models.py"), ROOT / "LICENSE")

FAMILIES = (
    "llama",
    "mistral",
    "mixtral",
    "qwen2",
    "qwen3",
    "gpt2",
    "gpt_bigcode",
    "gptj",
    "falcon",
    "phi3",
    "opt",
    "gpt_neox",
    "glm4",
)
VOCAB_SIZE = 700
CACHE = ROOT / "build" / "test-cache"
"""Compiled models, shared by every test of a run and kept for the next one."""


def checkpoint(family: str) -> Path:
    """The checkpoint directory of one family; all of them are made at the first call."""
    root = _directory("models", SCRIPTS)
    with _made_once(root) as missing:
        if missing:
            _run("make", {"root": str(root), "families": FAMILIES})
    return root / family


def prompts(family: str, count: int = 20, longest: int = 48) -> list[list[int]]:
    """Random prompts of mixed lengths, the same at every call; ids of ordinary tokens only."""
    seed = hashlib.sha256(f"{family}/{count}/{longest}".encode()).digest()
    numbers = _numbers(seed)
    lengths = [1 + next(numbers) % longest for _ in range(count)]
    return [[300 + next(numbers) % (VOCAB_SIZE - 300) for _ in range(length)] for length in lengths]


def reference(family: str, prompts_ids: Sequence[Sequence[int]], new_tokens: int) -> list[list[int]]:
    """What transformers' own `generate` continues each prompt with, greedy, alone, eager attention, fp32."""
    return references({family: prompts_ids}, new_tokens)[family]


def references(
    prompts_by_family: Mapping[str, Sequence[Sequence[int]]], new_tokens: int
) -> dict[str, list[list[int]]]:
    """`reference` for several families in one subprocess."""
    models = {family: checkpoint(family) for family in prompts_by_family}
    files = {
        family: models[family].parent / "answers" / f"{family}-{_digest(ids, new_tokens)}.json"
        for family, ids in prompts_by_family.items()
    }
    jobs = [
        {"model": str(models[family]), "prompts": ids, "new_tokens": new_tokens, "out": str(files[family])}
        for family, ids in prompts_by_family.items()
        if not files[family].exists()
    ]
    if jobs:
        _run("answer", {"jobs": jobs})
    return {family: json.loads(file.read_text()) for family, file in files.items()}


def compiled(family: str) -> Path:
    """The OpenVINO directory of one family, compiled at the first call."""
    return compiled_many([family])[family]


def compiled_many(families: Sequence[str]) -> dict[str, Path]:
    """The OpenVINO directories of several families, in the cache that every test uses.

    The cache's own key decides whether they are there: a service with the same `dtype` finds them too.
    """
    return _build({family: (checkpoint(family), {}) for family in families})


def variants(family: str, options: Mapping[str, Mapping[str, object]]) -> dict[str, Path]:
    """One family compiled with several sets of options, by name."""
    return _build({name: (checkpoint(family), more) for name, more in options.items()})


def _build(jobs: Mapping[str, tuple[Path, Mapping[str, object]]]) -> dict[str, Path]:
    rows = {name: [str(model), {"dtype": "fp32", **more}] for name, (model, more) in jobs.items()}
    said = _run("build", {"cache": str(CACHE), "jobs": rows})
    return {name: Path(path) for name, path in json.loads(said.splitlines()[-1]).items()}


def _run(command: str, job: Mapping[str, object]) -> str:
    """Run one command of tiny_models.py in a process of its own; its output is shown only when it fails."""
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPTS[1]), command],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"tiny_models.py {command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


@contextmanager
def _made_once(directory: Path) -> Iterator[bool]:
    """Hold the directory's lock and tell whether its content still has to be made."""
    done = directory / "complete"
    if done.exists():
        yield False
        return
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / "lock"):
        yield not done.exists()
        done.touch()


def _directory(name: str, sources: Sequence[Path]) -> Path:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return ROOT / "build" / "tiny" / f"{name}-{digest.hexdigest()[:12]}"


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]


def _numbers(seed: bytes) -> Iterator[int]:
    while True:
        seed = hashlib.sha256(seed).digest()
        yield from (int.from_bytes(seed[i : i + 4], "big") for i in range(0, 32, 4))
