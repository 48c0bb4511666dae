"""What must not be shown of values that people set: credentials, by the name that they stand under or by their look."""

from __future__ import annotations

import re

HIDDEN = "(hidden)"
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
