"""What each token says, worked out once per id, for decoders that treat tokens one by one.

Three families are covered, and with them nearly every causal language model:
- byte level (GPT-2, Llama 3, Qwen, Falcon): a token is a run of bytes, spelled in GPT-2's alphabet;
- pieces (Llama 2, Mistral, Gemma, Phi-3): literal replacements, `<0xHH>` byte tokens, and possibly the first
  blank of the whole text stripped; and plain Metaspace, which drops the mark of the very first token;
- WordPiece (BERT), whose tokens have a blank before them, or a mark for none, but for the very first one.
For any other decoder there is no table, and its tokens are decoded by `tokenizers` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from djl_trtllm.text.vocabulary import Vocabulary


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet: visible Latin-1 characters stand for themselves, the other bytes for U+0100 and up."""
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(0x100 + n): byte for n, byte in enumerate(hidden)}


BYTE_OF = _byte_alphabet()


class TokenTable(dict[int, str | None]):
    """Id to text, filled on first use. None for a token that is not whole characters: see `raw`.

    An id that decoding leaves out (outside the vocabulary, special) says "".
    """

    def __init__(
        self, vocabulary: Vocabulary, skip_special_tokens: bool, to_bytes: Callable[[str], bytes]
    ) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self._skip = skip_special_tokens
        self._to_bytes = to_bytes
        self.raw: dict[int, bytes] = {}

    def shown(self, token_id: int) -> str | None:
        """Return the token's own spelling, None if decoding leaves it out."""
        return self._vocabulary.shown(token_id, self._skip)

    def __missing__(self, token_id: int) -> str | None:
        token = self.shown(token_id)
        if token is None:
            if self._vocabulary.token(token_id) is not None:
                self[token_id] = ""
            return ""
        raw = self._to_bytes(token)
        try:
            text: str | None = raw.decode()
        except UnicodeDecodeError:
            self.raw[token_id] = raw
            text = None
        self[token_id] = text
        return text


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a tokenizer's decoder spells tokens, and what it does at the very beginning of a text.

    `strip` is a character of which one is dropped at the beginning of the text; `first` says what the first token says,
    where that is not what it says later. `only_blank` says that the two differ by a blank in front and nothing else.
    """

    to_bytes: Callable[[str], bytes]
    strip: str = ""
    first: Callable[[str], str] | None = None
    only_blank: bool = True


def spelling(vocabulary: Vocabulary) -> Spelling | None:
    """Recognise the decoder; None if its tokens cannot be decoded one by one from a table."""
    steps = list(vocabulary.decoder_steps)
    kinds = [step.get("type") for step in steps]
    if kinds in (["ByteLevel"], ["ByteLevel", "Fuse"]):
        return Spelling(byte_level)
    if kinds == ["Metaspace"]:
        mark = steps[0]["replacement"]
        first = None if steps[0].get("prepend_scheme") == "never" else lambda token: token.replace(mark, "")
        return Spelling(Pieces([(mark, " ")], byte_fallback=False), first=first)
    if kinds == ["WordPiece"]:
        return _word_pieces(vocabulary)
    return _pieces(steps)


def _pieces(steps: list[dict[str, object]]) -> Spelling | None:
    replacements: list[tuple[str, str]] = []
    while steps and steps[0].get("type") == "Replace":
        step = steps.pop(0)
        pattern, content = step.get("pattern"), step.get("content")
        if not isinstance(pattern, dict) or not pattern.get("String") or not isinstance(content, str):
            return None
        replacements.append((pattern["String"], content))
    rest = [step.get("type") for step in steps]
    byte_fallback = rest[:1] == ["ByteFallback"]
    if byte_fallback:
        rest, steps = rest[1:], steps[1:]
    pieces = Pieces(replacements, byte_fallback)
    if rest == ["Fuse"] or (rest == [] and (replacements or byte_fallback)):
        return Spelling(pieces)
    if rest == ["Fuse", "Strip"] and steps[1].get("start") == 1 and steps[1].get("stop") == 0:
        return Spelling(pieces, strip=str(steps[1]["content"]))
    return None


def _word_pieces(vocabulary: Vocabulary) -> Spelling | None:
    """Ask the decoder itself what a token says, first and later; None if it does not treat each token alone."""
    decode = vocabulary.tokenizer.decoder.decode

    def later(token: str) -> str:
        text: str = decode(["a", token])
        return text[1:]

    def first(token: str) -> str:
        text: str = decode([token])
        return text

    if decode(list(_PROBE)) != first(_PROBE[0]) + "".join(map(later, _PROBE[1:])):
        return None
    return Spelling(lambda token: later(token).encode(), first=first, only_blank=False)


_PROBE = ("we", "do", "not", "'", "s", "n't", ".", "##.", " ", "##'s", "do not", "!")
"""Its clean-up drops blanks before some of these, and would drop others if it saw the whole text."""


def byte_level(token: str) -> bytes:
    """Return the bytes of a token spelled in GPT-2's alphabet; one that is not (an added token) stands for itself."""
    try:
        return bytes([BYTE_OF[c] for c in token])
    except KeyError:
        return token.encode()


class Pieces:
    """Bytes of a token after literal replacements; `<0xHH>` is one byte where there is byte fallback."""

    def __init__(self, replacements: Sequence[tuple[str, str]], byte_fallback: bool) -> None:
        self._replacements = replacements
        self._byte_fallback = byte_fallback

    def __call__(self, token: str) -> bytes:
        """Return the token's bytes."""
        for old, new in self._replacements:
            token = token.replace(old, new)
        raw = token.encode()
        if self._byte_fallback and len(raw) == 6 and raw.startswith(b"<0x") and raw.endswith(b">"):
            digits = raw[3:5].removeprefix(b"+")  # "<0x+1>" is a byte for the library, so it is one here
            if all(digit in b"0123456789abcdefABCDEF" for digit in digits):
                return bytes((int(digits, 16),))
        return raw
