"""What both sides are fed: prompts, generated tokens with their texts, and the frames DJL sends.

The text is the standard library's own language reference, with lines in other scripts so that some tokens end
inside a character. The tokenizer is a byte-level BPE trained on it in half a second, as DJL's models have.
"""

from __future__ import annotations

import json
import pydoc_data.topics
import random
import struct
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, cycle, islice
from pathlib import Path
from typing import Any

VOCABULARY = 8000
SEQUENCES = 61
"""Distinct generated texts; streams share them in turn. A prime, so that neighbours in a batch differ."""
OTHER_SCRIPTS = (
    "Größe, naïveté, œuvre: „zitiert“…",
    "Привет, мир: строки бывают разными.",
    "日本語のテキストは一文字が三バイトです。",
    "한국어 문장도 조금 섞습니다.",
    "الأعداد والحروف معاً ١٢٣",
    'Tab\tand "quotes" and a back\\slash, then 🙂🚀👩‍👩‍👧.',
)


@dataclass(frozen=True, slots=True)
class Sequence:
    """One generated answer: ids, the text each id adds, and a natural-log probability each."""

    ids: list[int]
    texts: list[str]
    logprobs: list[float]


@cache
def corpus() -> str:
    """Return about 465 kB of English technical prose, one line in twenty in another script."""
    others = cycle(OTHER_SCRIPTS)
    lines = "\n".join(pydoc_data.topics.topics.values()).splitlines()
    return "\n".join(next(others) if index % 20 == 19 else line for index, line in enumerate(lines))


@cache
def tokenizer() -> Any:
    """Train the tokenizer that both sides' texts come from."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[AddedToken("<|end|>", special=True)],
        show_progress=False,
    )
    made.train_from_iterator(corpus().splitlines(keepends=True), trainer)
    return made


def save_tokenizer(directory: Path) -> None:
    """Write the tokenizer as a compiled model directory holds it."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer().save(str(directory / "tokenizer.json"))
    text = {
        "eos_token_ids": [0],
        "bos_token_id": None,
        "special_token_ids": [0],
        "chat_template": None,
        "vocab_size": tokenizer().get_vocab_size(),
        "max_position_embeddings": 8192,
        "model_type": "llama",
    }
    (directory / "text.json").write_text(json.dumps(text))
    (directory / "config.json").write_text(
        json.dumps({"model_type": "llama", "max_position_embeddings": 8192, "vocab_size": VOCABULARY})
    )


def sequences(tokens: int) -> list[Sequence]:
    """Return `SEQUENCES` different answers of `tokens` tokens each."""
    from tokenizers.decoders import DecodeStream

    ids = tokenizer().encode(corpus()).ids
    source = random.Random(20)
    made: list[Sequence] = []
    while len(made) < SEQUENCES:
        start = source.randrange(len(ids) - tokens)
        chosen = ids[start : start + tokens]
        if "\ufffd" in tokenizer().decode(chosen):  # begins or ends inside a character
            continue
        stream = DecodeStream(skip_special_tokens=True)
        texts = [stream.step(tokenizer(), token) or "" for token in chosen]
        # What an engine sends are 32-bit floats, which are long in decimal.
        logprobs = [struct.unpack("f", struct.pack("f", -source.expovariate(1.5)))[0] for _ in chosen]
        made.append(Sequence(chosen, texts, logprobs))
    return made


def cumulative(logprobs: list[float]) -> list[float]:
    """Return running sums, as upstream's toolkit reports them."""
    return list(accumulate(logprobs))


def prompts(count: int, words: int = 24) -> list[str]:
    """Return `count` different prompts of `words` words."""
    pool = corpus().split()
    return [" ".join(islice(cycle(pool), 37 * index, 37 * index + words)) for index in range(count)]


def body(prompt: str, tokens: int, *, greedy: bool = False, **more: object) -> bytes:
    """Return a streaming request of `tokens` tokens, as a client posts it, with `more` parameters."""
    parameters: dict[str, object] = {"max_new_tokens": tokens, "ignore_eos": True, **more}
    if not greedy:
        parameters |= {"do_sample": True, "temperature": 0.7}
    return json.dumps({"inputs": prompt, "parameters": parameters, "stream": True}).encode()


class Frames:
    """The bytes DJL-Serving sends for a step, in the wire format of one djl_python version.

    Arrivals bring their HTTP headers, body and a seed; requests that have answered before bring an empty
    `data`. A string's length is two bytes on 0.25 and four later.
    """

    def __init__(self, version: str) -> None:
        self.length = ">h" if version.startswith("0.25.") else ">i"

    def text(self, value: str) -> bytes:
        encoded = value.encode()
        return struct.pack(self.length, len(encoded)) + encoded

    def build(self, properties: dict[str, str], contents: list[tuple[str, bytes]]) -> bytes:
        parts = [struct.pack(">h", len(properties))]
        for key, value in properties.items():
            parts += [self.text(key), self.text(value)]
        parts.append(struct.pack(">h", len(contents)))
        for key, data in contents:
            parts += [self.text(key), struct.pack(">i", len(data)), data]
        return b"".join(parts)

    def load(self, properties: dict[str, str]) -> bytes:
        return self.build({**properties, "handler": "handle"}, [])

    def arrivals(self, bodies: list[bytes], known: int = 0) -> bytes:
        properties = {"handler": "handle", "batch_size": str(known + len(bodies))}
        contents = [(f"batch_{index:03d}.data", b"") for index in range(known)]
        for index, data in enumerate(bodies, known):
            prefix = f"batch_{index:03d}."
            headers = {
                "Content-Type": "application/json",
                "Accept": "*/*",
                "User-Agent": "python-httpx/0.28.1",
                "Host": "127.0.0.1:8080",
                "content-length": str(len(data)),
                "requestId": f"0c9d4c58-7a8b-4b7f-9a4e-{index:012d}",
            }
            properties.update({prefix + name: value for name, value in headers.items()})
            contents += [(prefix + "data", data), (prefix + "seed", str(7919 * index - 10**6).encode())]
        return self.build(properties, contents)

    def steady(self, streams: int) -> bytes:
        properties = {"handler": "handle", "batch_size": str(streams)}
        return self.build(properties, [(f"batch_{index:03d}.data", b"") for index in range(streams)])

    def item(self, data: bytes) -> dict[str, str]:
        """Decode one item of a reply."""
        (count,) = struct.unpack_from(">h", data)
        at, strings = 2, []
        width = struct.calcsize(self.length)
        for _ in range(2 * count):
            (size,) = struct.unpack_from(self.length, data, at)
            strings.append(data[at + width : at + width + size].decode())
            at += width + size
        return dict(zip(strings[::2], strings[1::2], strict=True))


class Wire:
    """A connection that hands out one frame, for djl_python's own `Input.read`."""

    def __init__(self, frame: bytes) -> None:
        self.frame, self.at = frame, 0

    def recv(self, size: int) -> bytes:
        part = self.frame[self.at : self.at + size]
        self.at += len(part)
        return part
