"""tokenizer.json for tokenizers that exist as Python code alone.

These are those over sentencepiece (InternLM, Baichuan, ChatGLM2 and 3) and over tiktoken (Qwen 1). What is made is kept
only where it encodes as the Python code does; which spaces are put in front, and which special ids around a text, is
found out by trying.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TOKENIZER = "tokenizer.json"
SAMPLES = (
    "Hello, world!",
    " two  spaces\n\nand\ttabs ",
    "Grüße, 日本語 🙂, naïve café 1234567890",
    "full-width \uff0c\uff21 and ligatures \ufb01, fractions \u00bd and \u2026 marks",
    "def f(x):\n    return x ** 2\r\n",
    "e\u0301 and \u00e9, \u200b and \ufeff",
    "   ",
    "x",
)
_SPACE = "\u2581"


def prepared(directory: Path, work: Path, *, trust_remote_code: bool) -> Path:
    """Return `directory`, or `work`, made of links to it and a tokenizer.json, where that is missing and can be made.

    What cannot be loaded or converted stays as it is: whoever reads it next says why.
    """
    if (directory / TOKENIZER).is_file():
        return directory
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(  # nosec B615 # a directory here
            str(directory), local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception:
        return directory
    if getattr(tokenizer, "backend_tokenizer", None) is not None:
        return directory
    work.mkdir()
    for file in directory.iterdir():
        if file.is_file():
            (work / file.name).symlink_to(file.resolve())
    return work if write(tokenizer, work / TOKENIZER) else directory


def write(tokenizer: Any, target: Path) -> bool:
    """Write `target` for a tokenizer of transformers that is Python code; whether that was possible."""
    expected = [list(tokenizer(sample)["input_ids"]) for sample in SAMPLES]
    for make in _makers(tokenizer):
        made = make()
        _add_special(made, tokenizer)
        around = _around(made, expected)
        if around is None:
            continue
        _put_around(made, *around)
        if [made.encode(sample).ids for sample in SAMPLES] == expected:
            made.save(str(target))
            return True
    return False


def _makers(tokenizer: Any) -> Iterator[Callable[[], Any]]:
    ranks = getattr(tokenizer, "mergeable_ranks", None)
    if isinstance(ranks, Mapping):
        pattern = getattr(getattr(tokenizer, "tokenizer", None), "_pat_str", "")
        for composed in (True, False):
            yield functools.partial(_from_ranks, ranks, pattern, composed)
    model = getattr(tokenizer, "sp_model", None) or getattr(
        getattr(tokenizer, "tokenizer", None), "sp_model", None
    )
    if model is not None:
        for prefix in (True, False):
            yield functools.partial(_from_pieces, model, prefix)


def _from_ranks(ranks: Mapping[bytes, int], pattern: str, composed: bool) -> Any:
    """Make a byte-level BPE of tiktoken's ranks: a token's merge is the last one of its own bytes."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    letters = _byte_letters()

    def spelled(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = _parts(ranks, token, rank)
            if len(parts) == 2:
                merges.append((spelled(parts[0]), spelled(parts[1])))
    vocabulary = {spelled(token): rank for token, rank in ranks.items()}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    if composed:
        made.normalizer = normalizers.NFC()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not pattern)
    made.pre_tokenizer = (
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])
        if pattern
        else byte_level
    )
    made.decoder = decoders.ByteLevel()
    return made


def _parts(ranks: Mapping[bytes, int], token: bytes, below: int) -> Sequence[bytes]:
    """Merge the bytes of a token by all ranks before its own."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        found = [(ranks.get(a + b, below), at) for at, (a, b) in enumerate(itertools.pairwise(parts))]
        rank, at = min(found)
        if rank >= below:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def _byte_letters() -> Mapping[int, str]:
    """Return the letter that stands for each byte in a byte-level vocabulary, as GPT-2 has chosen them."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def _from_pieces(model: Any, prefix: bool) -> Any:
    """Make a BPE of a sentencepiece model: of two merges the one to the better piece comes first."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    pieces = [model.id_to_piece(number) for number in range(model.get_piece_size())]
    scores = [model.get_score(number) for number in range(len(pieces))]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    merges: list[tuple[float, int, int, str, str]] = []
    for piece, score in zip(pieces, scores, strict=True):
        halves = ((piece[:at], piece[at:]) for at in range(1, len(piece)))
        merges += [
            (-score, vocabulary[left], vocabulary[right], left, right)
            for left, right in halves
            if left in vocabulary and right in vocabulary
        ]
    bytewise = any(model.is_byte(number) for number in range(len(pieces)))
    made = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=[(left, right) for *_, left, right in sorted(merges)],
            unk_token=pieces[model.unk_id()],
            fuse_unk=True,
            byte_fallback=bytewise,
        )
    )
    spaces = normalizers.Replace(" ", _SPACE)
    made.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), spaces]) if prefix else spaces
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefix else steps)
    return made


def _add_special(made: Any, tokenizer: Any) -> None:
    from tokenizers import AddedToken

    known = getattr(tokenizer, "special_tokens", None)
    if isinstance(known, Mapping):
        added = {number: AddedToken(text, special=True, normalized=False) for text, number in known.items()}
    else:
        added = dict(tokenizer.added_tokens_decoder)
    for _, token in sorted(added.items()):
        made.add_special_tokens([token]) if token.special else made.add_tokens([token])


def _around(made: Any, expected: Sequence[Sequence[int]]) -> tuple[list[int], list[int]] | None:
    """Return the ids that stand before and after each sample; None where they are not the same for all."""
    found: tuple[list[int], list[int]] | None = None
    for sample, ids in zip(SAMPLES, expected, strict=True):
        bare = made.encode(sample).ids
        room = len(ids) - len(bare)
        fits = [at for at in range(room + 1) if list(ids[at : at + len(bare)]) == bare]
        if not fits or not bare:
            return None
        this = (list(ids[: fits[0]]), list(ids[fits[0] + len(bare) :]))
        if found is not None and this != found:
            return None
        found = this
    return found


def _put_around(made: Any, before: Sequence[int], after: Sequence[int]) -> None:
    from tokenizers import processors

    if not (before or after):
        return
    names = {number: made.id_to_token(number) for number in (*before, *after)}
    template = [*(names[n] for n in before), "$A", *(names[n] for n in after)]
    made.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(name, number) for number, name in names.items()]
    )
