"""Text to learn a vocabulary from, tokenizers that learn it, and prompts. Nothing is downloaded."""

from __future__ import annotations

import json
import random
from typing import Any

from djl_trtllm.selftest.shapes import VOCAB_SIZE

SPECIAL = ("<unk>", "<s>", "</s>")

TEXT = """\
The old lighthouse keeper counted the ships every evening and wrote their names into a heavy book. Nobody had asked
him to, and nobody read the book, but in forty years he had not missed a day. When the storm took the northern pier,
the harbour office wanted to know which ships had passed before midnight, and for the first time the book was opened.
A compiler turns what people write into what machines run; it must never change what was meant. A scheduler decides
who waits. A cache remembers, and is only worth its memory while it is right. Every request has one beginning and one
end, and between them the tokens come in order: first, second, third, and so on until the answer is complete.
def greatest(values: list[int]) -> int:
    best = values[0]
    for value in values[1:]:
        best = value if value > best else best
    return best
Am Morgen gingen die Kinder über die Brücke zur Mühle, wo es nach frischem Brot roch. La rivière était calme et les
élèves regardaient passer les bateaux. El tren salió a las ocho y media hacia el sur. Поезд пришёл вовремя, и все
были рады. 山の上に小さな家があり、窓から海が見えた。 早上的市場很熱鬧。 아침에 비가 왔다. 🙂 🚀
{"name": "tiny", "layers": 2, "sizes": [64, 128, 512], "exact": true} <p>1 &lt; 2</p> 3.14159 2,718 100 % $5 #7 a+b=c
"""


def prompts(count: int) -> list[str]:
    """Return different short prompts, the same at every call."""
    draw = random.Random(20240607)  # noqa: S311 - no secret
    words = [word for word in TEXT.split() if word.isalpha() and word.isascii()]
    return [" ".join(draw.choices(words, k=2 + index % 9)) for index in range(count)]


def byte_level() -> Any:
    """Train a GPT-2 kind of tokenizer: byte-level BPE, no unknowns, no prefix space."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT.splitlines(keepends=True), trainer)
    return _filled(tokenizer)


def metaspace() -> Any:
    """Train a Llama-2 kind of tokenizer: U+2581 for spaces, byte tokens for rare characters, <s> in front."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers

    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[0]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE, special_tokens=[*SPECIAL, *byte_tokens], limit_alphabet=90, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT.split(), trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] in SPECIAL]
    content["model"].update(byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return _filled(tokenizer)


def _filled(tokenizer: Any) -> Any:
    """Fill up the vocabulary, so that every id that a model can answer with is a token."""
    missing = VOCAB_SIZE - tokenizer.get_vocab_size()
    tokenizer.add_tokens([f"<extra{index}>" for index in range(missing)])
    return tokenizer
