"""Small tokenizers of the kinds that language models have, trained here on a few lines of many scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.support import slow_vocabularies

TEXTS = (
    "The quick brown fox jumps over the lazy dog, doesn't it? 12,345.67 times (or more).",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich – ohne Ölwechsel!",  # noqa: RUF001
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "我能吞下玻璃而不伤身体。天地玄黃，宇宙洪荒。",  # noqa: RUF001
    "いろはにほへと ちりぬるを　わかよたれそ",
    "다람쥐 헌 쳇바퀴에 타고파",
    "नमस्ते दुनिया, यह एक परीक्षण है।",
    "مرحبا بالعالم، هذا اختبار",
    "😀 👩‍👩‍👧 🇩🇪 🏴󠁧󠁢󠁳󠁣󠁴󠁿 é e\u0301 \ufffd x\u200by",
    'def f(x):\n    return {"a": x * 2,\t"b": [1, 2, 3]}  # naïve\n\n\n',
    "   leading and   inner    blanks   ",
)
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _added(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken("<|end of turn|>", special=True)])
    tokenizer.add_tokens([AddedToken("<tool>"), AddedToken("größe"), AddedToken("two words")])
    return tokenizer


def _byte_level(prefix_space: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=520,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=SPECIAL[1:],
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return _added(tokenizer)


def _pieces(strip: bool) -> Tokenizer:
    return _added(_plain_pieces(strip))


def _plain_pieces(strip: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if strip else replace
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if strip else steps)
    trainer = trainers.BpeTrainer(
        vocab_size=520, show_progress=False, limit_alphabet=90, special_tokens=[*SPECIAL, *BYTES]
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    # Trained as special tokens to get their ids; in a model byte tokens are plain ones.
    described = json.loads(tokenizer.to_str())
    described["added_tokens"] = [token for token in described["added_tokens"] if token["content"] in SPECIAL]
    return Tokenizer.from_str(json.dumps(described))


def _metaspace() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=520, show_progress=False, special_tokens=SPECIAL)
    )
    return _added(tokenizer)


def _wordpiece(*, cleanup: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=cleanup)
    tokenizer.train_from_iterator(
        TEXTS, trainers.WordPieceTrainer(vocab_size=520, show_progress=False, special_tokens=SPECIAL)
    )
    return _added(tokenizer)


def _no_decoder() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(
        TEXTS, trainers.WordLevelTrainer(vocab_size=520, show_progress=False, special_tokens=SPECIAL)
    )
    return _added(tokenizer)


def _without_bytes(*missing: int) -> Tokenizer:
    """Byte fallback as nobody ships it: bytes are missing, and a decoder that no table can follow."""
    bytes_there = [name for byte, name in enumerate(BYTES) if byte not in missing]
    vocabulary = {
        token: n for n, token in enumerate([*SPECIAL, *bytes_there, *"abcdefghijx", "▁", "▁a", "▁b"])
    }
    unusual = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>"))
    unusual.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    unusual.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Replace("▁", " "), decoders.Fuse()]
    )
    unusual.add_special_tokens(SPECIAL)
    return _added(unusual)


def _of_pieces() -> Tokenizer:
    return _added(slow_vocabularies.of_pieces(_plain_pieces(strip=True), SPECIAL))


def _of_ranks() -> Tokenizer:
    return _added(slow_vocabularies.of_ranks(TEXTS, SPECIAL[1:]))


_MAKERS: Mapping[str, Callable[[], Tokenizer]] = {
    "byte_level": lambda: _byte_level(prefix_space=False),
    "byte_level_prefix_space": lambda: _byte_level(prefix_space=True),
    "llama": lambda: _pieces(strip=True),
    "gemma": lambda: _pieces(strip=False),
    "metaspace": _metaspace,
    "wordpiece": lambda: _wordpiece(cleanup=True),
    "wordpiece_as_it_is": lambda: _wordpiece(cleanup=False),
    "no_decoder": _no_decoder,
    "converted": _of_pieces,
    "tiktoken": _of_ranks,
    "without_some_bytes": lambda: _without_bytes(0xFF),
    "without_replacement": lambda: _without_bytes(0xEF, 0xFF),
}
BYTE_LEVEL = ("byte_level", "byte_level_prefix_space", "tiktoken")
WORDPIECE = ("wordpiece", "wordpiece_as_it_is")
WITHOUT_BYTE_FALLBACK = (*BYTE_LEVEL, "metaspace", *WORDPIECE, "no_decoder")
STRIPPING = ("llama", "converted")
WITH_BYTE_FALLBACK = (*STRIPPING, "gemma", "without_some_bytes")
BY_TABLE = (*BYTE_LEVEL, "metaspace", *WORDPIECE, *STRIPPING, "gemma")
KINDS = (*WITHOUT_BYTE_FALLBACK, *WITH_BYTE_FALLBACK)


@cache
def vocabulary(kind: str) -> Tokenizer:
    """The tokenizer of one kind; made once."""
    return _MAKERS[kind]()
