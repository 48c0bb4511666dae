"""Tokenizers that exist as Python code alone, and what building makes of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from djl_trtllm.engines.building import slow_tokenizer

PATTERN = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class Code:
    """A tokenizer of transformers that is Python code: it encodes with `encode` and has what it was made of."""

    def __init__(self, encode: Callable[[str], Sequence[int]], **parts: Any) -> None:
        self._encode = encode
        self.added_tokens_decoder: dict[int, AddedToken] = {}
        self.__dict__.update(parts)

    def __call__(self, text: str) -> dict[str, Sequence[int]]:
        return {"input_ids": self._encode(text)}


class Pieces:
    """A sentencepiece model over the vocabulary and merges of a trained BPE."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        model = json.loads(tokenizer.to_str())["model"]
        self._pieces = sorted(model["vocab"], key=lambda piece: model["vocab"][piece])
        pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        merged = {"".join(pair): -float(number) for number, pair in enumerate(pairs)}
        self._scores = [merged.get(piece, -1e9) for piece in self._pieces]

    def get_piece_size(self) -> int:
        return len(self._pieces)

    def id_to_piece(self, number: int) -> str:
        return self._pieces[number]

    def get_score(self, number: int) -> float:
        return self._scores[number]

    def is_byte(self, number: int) -> bool:
        return self._pieces[number].startswith("<0x")

    def unk_id(self) -> int:
        return 0


def byte_level(texts: Sequence[str]) -> Tokenizer:
    """A byte-level BPE whose text is cut by `PATTERN`."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    )
    return made


def ranks_of(tokenizer: Tokenizer) -> dict[bytes, int]:
    """The vocabulary as tiktoken has it: bytes and their ranks."""
    letters = {letter: byte for byte, letter in slow_tokenizer._byte_letters().items()}
    vocabulary: Mapping[str, int] = tokenizer.get_vocab()
    return {bytes(letters[letter] for letter in token): number for token, number in vocabulary.items()}


def of_ranks(texts: Sequence[str], special: Sequence[str]) -> Tokenizer:
    """What is made of tiktoken's ranks: byte-level, cut by a regular expression."""
    real = byte_level(texts)
    ranks = ranks_of(real)
    names = {name: len(ranks) + number for number, name in enumerate(special)}
    code = Code(
        lambda text: real.encode(text).ids,
        mergeable_ranks=ranks,
        special_tokens=names,
        tokenizer=SimpleNamespace(_pat_str=PATTERN),
    )
    return _converted(code)


def of_pieces(real: Tokenizer, special: Sequence[str]) -> Tokenizer:
    """What is made of a sentencepiece model with byte tokens; `real` encodes as that model does."""
    code = Code(lambda text: real.encode(text, add_special_tokens=False).ids, sp_model=Pieces(real))
    code.added_tokens_decoder = {
        number: AddedToken(name, special=True, normalized=False) for number, name in enumerate(special)
    }
    return _converted(code)


def _converted(code: Code) -> Tokenizer:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "tokenizer.json"
        if not slow_tokenizer.write(code, target):
            raise AssertionError("the tokenizer cannot be converted")
        return Tokenizer.from_file(str(target))
