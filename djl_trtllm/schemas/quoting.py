"""Sentences for a client that repeat a word of its own, and what the log says in their place."""

from __future__ import annotations


class Quoting(str):
    """A sentence for the client. `logged` is the same without the client's words, which belong in no log."""

    __slots__ = ("logged",)

    logged: str

    def __new__(cls, sentence: str, logged: str) -> Quoting:
        """Make it of both."""
        made = super().__new__(cls, sentence)
        made.logged = logged
        return made


def logged(sentence: str) -> str:
    """Return what the log may say of a sentence for the client."""
    return sentence.logged if isinstance(sentence, Quoting) else sentence
