"""Byte tokens reach the decoder as whole characters only."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from djl_trtllm.text.byte_runs import ByteRunDetokenizer

SILENT, LETTER = 300, 301


class Recording:
    """A detokenizer for which a token is its number."""

    recovered = 3

    def __init__(self) -> None:
        self.fed: list[list[int]] = []

    def step(self, token_id: int) -> str:
        return "" if token_id == SILENT else "x"

    def feed(self, ids: Sequence[int]) -> str:
        self.fed.append(list(ids))
        return bytes(ids).decode()  # raises on anything but whole characters

    def flush(self) -> str:
        return "."


def run(tokens: Sequence[int]) -> tuple[str, Recording]:
    inner = Recording()
    runs = ByteRunDetokenizer(
        inner, {n: n for n in range(256)}, {n: n for n in range(256)}, lambda token_id: token_id == SILENT
    )
    text = "".join(map(runs.step, tokens)) + runs.flush()
    assert runs.recovered == 3
    return text, inner


@settings(deadline=None)
@given(st.lists(st.integers(0, 255) | st.sampled_from([0xC3, 0xA9, 0xF0, 0x9F, 0x98, 0x80, SILENT, LETTER])))
def test_incremental_decoding_with_replacement(tokens: list[int]) -> None:
    raw = b"".join(b"x" if t == LETTER else bytes([t]) for t in tokens if t != SILENT)
    text, _ = run(tokens)
    assert text == raw.decode("utf-8", "replace") + "."


def test_what_cannot_become_a_character_is_passed_on_as_its_replacement() -> None:
    text, inner = run([0xE2, 0x82, LETTER, 0xC3, SILENT, 0xA9])
    assert text == "\ufffdxé."
    assert inner.fed == [[0xEF, 0xBF, 0xBD], [0xC3, 0xA9]]
