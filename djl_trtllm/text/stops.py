"""Stop strings, matched on text as it comes.

A stop string takes effect at the character that completes it. Of several completed by the same character the longest
counts. The text before it is what the client gets, and the stop string itself where it is kept; what follows is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.text.stop_index import StopIndex

_FEW = 2
"""Up to so many stop strings are looked for one by one; more of them are found sooner by an index."""


class StopMatcher:
    """One stream. Holds text back only while it could still be the beginning of a stop string.

    With `keep` nothing is held back: what begins a stop string is text in any case. The result does not depend on how
    the text is cut into pieces. Empty stop strings are ignored. `matched` is the stop string that was found.
    """

    __slots__ = ("_firsts", "_held", "_index", "_keep", "_stops", "matched")

    def __init__(self, stops: Sequence[str], keep: bool = False) -> None:
        self._stops = tuple(dict.fromkeys(stop for stop in stops if stop))
        self._index = StopIndex(self._stops) if len(self._stops) > _FEW else None
        # "" is in every text: an index looks for the first characters itself.
        self._firsts = tuple({stop[0] for stop in self._stops}) if self._index is None else ("",)
        self._keep = keep
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
        return "" if self._keep else text

    def _search(self, text: str) -> tuple[str, bool]:
        if self.matched is not None:
            return "", True
        sent = len(self._held) if self._keep else 0
        text = self._held + text
        stop, end = self._find(text) if self._index is None else self._index.find(text, len(self._held))
        if stop:
            self.matched = stop
            self._held = ""
            return text[sent : end if self._keep else end - len(stop)], True
        self._held = text[end:]
        return text[sent:] if self._keep else text[:end], False

    def _find(self, text: str) -> tuple[str, int]:
        """As `StopIndex.find`."""
        found, end = "", len(text) + 1
        for stop in self._stops:
            at = text.find(stop, 0, end)
            if at >= 0 and (at + len(stop) < end or len(stop) > len(found)):
                found, end = stop, at + len(stop)
        if found:
            return found, end
        held = 0
        for stop in self._stops:
            held = _overlap(text, stop, held)
        return "", len(text) - held


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
