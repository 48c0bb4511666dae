"""What no text of a request may hold, and what several parameters have in common that are texts."""

from __future__ import annotations

from collections.abc import Iterable

_MANY = 8


def check(name: str, text: str, problems: list[str]) -> None:
    """Refuse null characters: C code behind tokenizers and engines ends a text at them."""
    # Looking for a null is slow where half of the bytes of other characters are null; counting is not.
    if "\0" in text if text.isascii() else text.count("\0"):
        problems.append(f"{name} holds a null character (U+0000), which no model can take; leave it out.")


def check_prompts(name: str, prompts: Iterable[str], problems: list[str]) -> None:
    """Refuse prompts in a list that are empty or cannot be taken; the first few are named."""
    found: list[str] = []
    for i, prompt in enumerate(prompts):
        if not prompt:
            found.append(f"{name}[{i}] is empty: send at least one character.")
        else:
            check(f"{name}[{i}]", prompt, found)
        if len(found) >= _MANY:
            break
    problems += found


def joined(problems: list[str], **named: str | list[str] | None) -> tuple[str, ...]:
    """Return the texts of parameters that take one or many, once each."""
    texts: dict[str, None] = {}
    for name, given in named.items():
        if given is not None:
            many = (given,) if isinstance(given, str) else given
            check(name, "".join(many), problems)
            texts |= dict.fromkeys(many)
    return tuple(texts)
