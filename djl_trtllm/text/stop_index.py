"""Many stop strings at once, at a price that hardly depends on how many they are."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence


class StopIndex:
    """Stop strings sorted, to tell what begins one, and sorted from their ends, to tell what ends in one.

    Made in the time of sorting, and not in that of building an automaton with a node for every character: a request's
    stop strings may be long, and are seldom met.
    """

    __slots__ = ("_backwards", "_begins", "_lasts", "_shorter", "_sorted")

    def __init__(self, stops: Sequence[str]) -> None:
        self._sorted = sorted(stops)
        self._backwards = sorted(stop[::-1] for stop in stops)
        self._shorter = _longest_beginnings(self._backwards)
        self._lasts = frozenset(stop[-1] for stop in stops)
        self._begins = re.compile(f"[{re.escape(''.join({stop[0] for stop in stops}))}]").search

    def find(self, text: str, held: int) -> tuple[str, int]:
        """Return the stop string that is complete first and where it ends in `text`.

        Else "" and where the longest end of `text` that begins a stop string starts. The first `held` characters are
        known to begin one.
        """
        state, at = text[:held], held
        while at < len(text):
            if not state:
                first = self._begins(text, at)
                if first is None:
                    return "", len(text)
                at = first.start()
            letter = text[at]
            at += 1
            state = self._longest(state + letter)
            if letter in self._lasts and (stop := self._completed(state)):
                return stop, at
        return "", len(text) - len(state)

    def _longest(self, text: str) -> str:
        """The longest end of `text` that begins a stop string."""
        stops = self._sorted
        while text:
            at = bisect_left(stops, text)
            if at < len(stops) and stops[at].startswith(text):
                return text
            text = text[1:]
        return ""

    def _completed(self, text: str) -> str:
        """The longest stop string that `text` ends with."""
        text = text[::-1]
        at = bisect_right(self._backwards, text) - 1
        while at >= 0 and not text.startswith(self._backwards[at]):
            at = self._shorter[at]
        return self._backwards[at][::-1] if at >= 0 else ""


def _longest_beginnings(words: Sequence[str]) -> Sequence[int]:
    """For each of the sorted words, the index of the longest other one that it begins with, -1 for none."""
    found: list[int] = []
    for index, word in enumerate(words):
        other = index - 1
        while other >= 0 and not word.startswith(words[other]):
            other = found[other]
        found.append(other)
    return found
