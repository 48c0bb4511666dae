"""Several ways from token ids to text, one by one, in one process: `detokenise_side <kind of vocabulary>`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench import djl, vocabularies
from bench.process import serve

Way = Callable[[Sequence[int]], str]


class DetokeniseSide:
    """Every way decodes the same answers and gives the same text."""

    def __init__(self, kind: str) -> None:
        from djl_trtllm.text.tokenizer import Tokenizer

        self._kind = kind
        directory = vocabularies.save(kind, djl.BUILD / f"vocabulary-{kind}")
        self._backend = vocabularies.KINDS[kind]()
        self._tokenizer = Tokenizer.load(directory)
        self._ways: dict[str, Way] = {"ours": self._ours, "stream": self._stream, "window": self._window}
        self._wrapped: Any = None
        self._answers: dict[tuple[int, int], list[list[int]]] = {}

    def way(self) -> str:
        """Return which of its ways our detokenizer has chosen."""
        return self._tokenizer._detokenizers.way

    def check(self, names: list[str], count: int, tokens: int) -> None:
        """Raise where two ways do not say the same."""
        for ids in self._ids(count, tokens):
            expected = self._backend.decode(ids)
            for name in names:
                if self._way(name)(ids) != expected:
                    raise AssertionError(f"{name} differs from the decoder on {self._kind}")

    def run(self, name: str, count: int, tokens: int) -> float:
        """Return µs of CPU time a token."""
        answers, way = self._ids(count, tokens), self._way(name)
        begun = time.thread_time()
        for ids in answers:
            way(ids)
        return (time.thread_time() - begun) / (count * tokens) * 1e6

    def _ids(self, count: int, tokens: int) -> list[list[int]]:
        case = (count, tokens)
        if case not in self._answers:
            self._answers[case] = vocabularies.answers(self._kind, count, tokens)
        return self._answers[case]

    def _way(self, name: str) -> Way:
        if name == "streamer":
            self._wrap()
            return self._streamer
        return self._ways[name]

    def _ours(self, ids: Sequence[int]) -> str:
        detokenizer = self._tokenizer.detokenizer((), True)
        return "".join(map(detokenizer.step, ids)) + detokenizer.flush()

    def _stream(self, ids: Sequence[int]) -> str:
        """The library's own incremental decoder, and nothing around it."""
        from tokenizers.decoders import DecodeStream

        step, backend = DecodeStream(skip_special_tokens=True).step, self._backend
        return "".join([step(backend, token) or "" for token in ids])

    def _window(self, ids: Sequence[int]) -> str:
        """Two decodes a token, of what could still change and of that with the token, as TGI does it."""
        decode, texts = self._backend.decode, []
        prefix = read = 0
        for end in range(1, len(ids) + 1):
            before, now = decode(ids[prefix:read]), decode(ids[prefix:end])
            if len(now) > len(before) and not now.endswith("\ufffd"):
                texts.append(now[len(before) :])
                prefix, read = read, end
        return "".join(texts)

    def _wrap(self) -> None:
        if self._wrapped is None:
            from transformers import PreTrainedTokenizerFast

            self._wrapped = PreTrainedTokenizerFast(
                tokenizer_object=self._backend, clean_up_tokenization_spaces=False
            )

    def _streamer(self, ids: Sequence[int]) -> str:
        """transformers' streamer, which decodes everything since the last line break for every token.

        It decodes each line as if it began a text, so it loses blanks of vocabularies that strip the first one
        (5.5.4, observed): its text is not compared.
        """
        import numpy as np
        from transformers import TextIteratorStreamer

        streamer = TextIteratorStreamer(self._wrapped, skip_special_tokens=True)
        for value in np.array(ids).reshape(-1, 1):
            streamer.put(value)
        streamer.end()
        return "".join(streamer)


if __name__ == "__main__":
    serve(DetokeniseSide, *sys.argv[1:])
