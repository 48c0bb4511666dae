"""Stop strings, matched on text as it comes.

A stop string takes effect at the character that completes it. Of several completed by the same character the longest
counts. The text before it is what the client gets; neither the stop string nor anything after it is.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopMatcher:
    """One stream. Holds text back only while it could still be the beginning of a stop string.

    The result does not depend on how the text is cut into pieces. Empty stop strings are ignored. `matched` is the
    stop string that was found.
    """

    __slots__ = ("_firsts", "_held", "_stops", "matched")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(dict.fromkeys(stop for stop in stops if stop))
        self._firsts = tuple({stop[0] for stop in self._stops})
        self._held = ""
        self.matched: str | None = None

    def feed(self, text: str) -> tuple[str, bool]:
        """Take the next text; return what is safe to send now, and whether a stop string has been found."""
        if not self._held:
            for first in self._firsts:
                if first in text:
                    break
            else:
                return ("", True) if self.matched is not None else (text, False)
        return self._search(text)

    def flush(self) -> str:
        """Return what was held back, at the end of generation."""
        text, self._held = self._held, ""
        return text

    def _search(self, text: str) -> tuple[str, bool]:
        if self.matched is not None:
            return "", True
        text = self._held + text
        best, held = (len(text) + 1, 0), 0
        for stop in self._stops:
            at = text.find(stop)
            if at >= 0:
                best = min(best, (at + len(stop), at))
        if best[0] <= len(text):
            end, start = best
            self.matched = text[start:end]
            self._held = ""
            return text[:start], True
        for stop in self._stops:
            held = _overlap(text, stop, held)
        cut = len(text) - held
        self._held = text[cut:]
        return text[:cut], False


def _overlap(text: str, stop: str, known: int) -> int:
    """Length of the longest end of `text` that begins `stop`, if longer than `known`."""
    at = max(len(text) - len(stop) + 1, 0)
    limit = len(text) - known
    first = stop[0]
    while (at := text.find(first, at, limit)) >= 0:
        if stop.startswith(text[at:]):
            return len(text) - at
        at += 1
    return known
