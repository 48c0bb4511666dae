"""A response format that writes down what it is told, for tests of whatever drives formats."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.formats.base import Ending, Piece


class RecordingWriter:
    def __init__(self, index: int) -> None:
        self.index = index

    def write(self, piece: Piece) -> str:
        return "".join(f"[{self.index}:{text}]" for text in piece.texts)

    def line(self, token: int, text: str, log_prob: float | None) -> str:
        return f"[{self.index}:{text}]"

    def end(self, piece: Piece | None, ending: Ending) -> str:
        said = self.write(piece) if piece is not None else ""
        return f"{said}<{self.index} {ending.reason.value}>"


class RecordingResponse:
    """`[index:text]` for each token, `<index reason>` for each end, `(reasons)` for the whole."""

    content_type = "text/recorded"

    def __init__(self, *, keeps_tokens: bool = False) -> None:
        self.keeps_tokens = keeps_tokens
        self.endings: Sequence[Ending] = ()

    def writer(self, index: int) -> RecordingWriter:
        return RecordingWriter(index)

    def close(self, endings: Sequence[Ending]) -> str:
        self.endings = list(endings)
        return f"({' '.join(ending.reason.value for ending in endings)})"
