"""The two kinds of vocabularies that most models have, and a third one.

Byte-level (GPT-2, Llama 3, Qwen); pieces with blanks as ▁ and bytes to fall back on (Llama 2, Mistral); WordPiece.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bench import workload

SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
ALPHABET = 120
"""So many characters have tokens of their own; the others are spelled in bytes."""


@cache
def byte_fallback() -> Any:
    """Train a vocabulary of Llama 2's kind."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    trainer = trainers.BpeTrainer(
        vocab_size=workload.VOCABULARY,
        limit_alphabet=ALPHABET,
        special_tokens=[*SPECIAL, *BYTES],
        show_progress=False,
    )
    made.train_from_iterator(workload.corpus().splitlines(keepends=True), trainer)
    # Trained as special tokens to get their ids; in a model byte tokens are plain ones.
    described = json.loads(made.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if token["content"] in SPECIAL]
    return Tokenizer.from_str(json.dumps(described))


@cache
def wordpiece() -> Any:
    """Train a vocabulary of BERT's kind, whose decoder asks whether a token is the first."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.decoder = decoders.WordPiece(cleanup=False)
    trainer = trainers.WordPieceTrainer(
        vocab_size=workload.VOCABULARY, special_tokens=SPECIAL, show_progress=False
    )
    made.train_from_iterator(workload.corpus().splitlines(), trainer)
    return made


KINDS: Mapping[str, Callable[[], Any]] = {
    "byte-level": workload.tokenizer,
    "byte-fallback": byte_fallback,
    "wordpiece": wordpiece,
}


def save(kind: str, directory: Path) -> Path:
    """Write a tokenizer as a checkpoint holds it, and return the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    KINDS[kind]().save(str(directory / "tokenizer.json"))
    (directory / "config.json").write_text(
        json.dumps({"model_type": "llama", "vocab_size": workload.VOCABULARY})
    )
    return directory


def answers(kind: str, count: int, tokens: int) -> list[list[int]]:
    """Return ids of `count` runs of the corpus, none of which begins or ends inside a character."""
    tokenizer = KINDS[kind]()
    ids = tokenizer.encode(workload.corpus()).ids
    source = random.Random(20)
    found: list[list[int]] = []
    while len(found) < count:
        start = source.randrange(len(ids) - tokens)
        chosen = ids[start : start + tokens]
        if "\ufffd" not in tokenizer.decode(chosen):
            found.append(chosen)
    return found
