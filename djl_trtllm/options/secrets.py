"""What must not be shown of values that people set: credentials, by the name that they stand under or by their look."""

from __future__ import annotations

import re
from collections.abc import Mapping

HIDDEN = "(hidden)"
_SHORTEST = 8
_NAME = re.compile(
    r"(?<!per_)token(?!izer|s)|secret|passw|credential|api_?key|access_?key|private_?key|signature", re.I
)
_USER = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"(\?)[^\s'\"]*")
_ASSIGNED = re.compile(r"(?i)\b((?:\w*(?:token|secret|password|passwd|signature|key))\s*[=:]\s*)[^\s,;&'\"]+")
_KEYS = re.compile(
    r"\b(?:hf_|sk-|ghp_|gho_|github_pat_|glpat-|xox[bp]-|nvapi-)[A-Za-z0-9_-]{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_.-]+"
)


def shown(name: str, value: str) -> str:
    """Return an option's value as it may be shown."""
    return HIDDEN if value and _NAME.search(name) else clean(value)


def clean(text: str) -> str:
    """Return a text without what looks like a credential: keys, a URL's user and query, `token=...`."""
    text = _USER.sub(f"{HIDDEN}@", text)
    if "://" in text:
        text = _QUERY.sub(rf"\1{HIDDEN}", text)
    return _KEYS.sub(HIDDEN, _ASSIGNED.sub(rf"\1{HIDDEN}", text))


def without(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without credentials, for processes that fetch nothing."""
    return {name: value for name, value in environ.items() if not _NAME.search(name)}


class Redaction:
    """Hides the very values that stand under the name of a credential, in the environment or among the options.

    Shorter ones than eight characters are left: they are words as well, and no credentials that hold.
    """

    def __init__(self, *named: Mapping[str, object]) -> None:
        values = {
            text
            for values in named
            for name, value in values.items()
            if _NAME.search(name) and isinstance(value, str) and len(text := value.strip()) >= _SHORTEST
        }
        # The longest first: one may be the beginning of another.
        ordered = sorted(values, key=lambda text: (-len(text), text))
        self._found = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def hide(self, text: str) -> str:
        """Return a text without those values."""
        return text if self._found is None else self._found.sub(HIDDEN, text)
