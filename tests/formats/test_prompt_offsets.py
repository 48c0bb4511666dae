from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from djl_trtllm.formats.prompt_offsets import offsets
from djl_trtllm.formats.vocabulary import Vocabulary


def vocabulary(tokens: Mapping[int, bytes]) -> Vocabulary:
    return Vocabulary(
        frozenset({0}), lambda token: tokens[token].decode("utf-8", "replace"), tokens.__getitem__
    )


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("", [], []),
        ("ab c", [b"a", b"b", b" c"], [0, 1, 2]),
        ("é日x", ["é".encode(), "日".encode(), b"x"], [0, 1, 2]),
        # A beginning-of-sequence token, and the space some tokenizers put in front.
        ("Say it", [b"<s>", b" Say", b" it"], [0, 0, 3]),
        # A character of three tokens.
        ("日x", [b"\xe6", b"\x97", b"\xa5", b"x"], [0, 0, 0, 1]),
        # Text that was normalised away: nothing points behind the end.
        ("a", [b"aaaa", b"b", b"c"], [0, 1, 1]),
    ],
)
def test_offsets(text: str, tokens: Sequence[bytes], expected: Sequence[int]) -> None:
    special = tokens[:1] == [b"<s>"]
    ids = [number if special else number + 1 for number in range(len(tokens))]
    assert offsets(text, ids, vocabulary(dict(zip(ids, tokens, strict=True)))) == expected
