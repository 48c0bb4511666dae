"""Addresses as people write them: s3://bucket/prefix. They hold no credentials, so they may stand in any text."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEME = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", re.ASCII)
_LONGEST_KEY = 1024
"""Bytes of an object's key in S3, in UTF-8 (the S3 user guide, "Naming Amazon S3 objects")."""


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket and what the keys of some objects begin with. `prefix` neither begins nor ends with a slash."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}" if self.prefix else f"{SCHEME}{self.bucket}"

    def __truediv__(self, name: str) -> Address:
        return Address(self.bucket, self.key(name))

    def key(self, name: str) -> str:
        """Return the whole key of the object that is called `name` below this address."""
        return f"{self.prefix}/{name}" if self.prefix else name


def is_address(text: str) -> bool:
    """Whether a text is meant as an address in S3, well formed or not."""
    return text[: len(SCHEME)].lower() == SCHEME


def parse(text: str) -> Address:
    """Read an address. `ValueError` says what is wrong with it, and repeats nothing that may be a secret."""
    if not is_address(text):
        raise ValueError("it does not begin with s3://")
    bucket, _, prefix = text[len(SCHEME) :].partition("/")
    if "@" in bucket:
        raise ValueError(
            "it holds something before an @. Credentials do not belong there: set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY, or give the machine a role"
        )
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("what follows s3:// is no bucket's name: 3 to 63 letters, digits, dots and hyphens")
    if any(sign in prefix for sign in "*?"):
        raise ValueError("it holds a wildcard or a query. Give a plain prefix, under which all files lie")
    prefix = prefix.rstrip("/")
    if prefix and not is_safe(prefix):
        raise ValueError("its prefix is no path: it has an empty part, a part . or .., or unprintable signs")
    return Address(bucket, prefix)


def is_safe(name: str) -> bool:
    """Whether a name of an object is one of a file below some directory, and nowhere else."""
    parts = name.split("/")
    return (
        name.isprintable()
        and "\\" not in name
        and len(name.encode(errors="replace")) <= _LONGEST_KEY
        and not any(part in ("", ".", "..") for part in parts)
    )
