"""Whether a file is the object that S3 has, where S3 gives a checksum of the whole object that Python can compute.

An ETag is the MD5 of an object that was put in one piece and is not encrypted with a key of KMS or of the client;
checksums of other kinds are there where the uploader, or S3 itself, has added one (the S3 user guide, "Checking object
integrity"). An object that has none of these is checked by its size alone.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

_MD5 = re.compile(r"[0-9a-f]{32}")
_CHUNK = 1 << 20


def fits(file: Path, head: Mapping[str, object]) -> bool:
    """Compare a file with the answer to HeadObject, as boto3 gives it with ChecksumMode=ENABLED."""
    for name, value in _told(head).items():
        return _computed(file, name) == value
    return True


def _told(head: Mapping[str, object]) -> dict[str, str]:
    """Return the checksums of the whole object, the one that is computed fastest first."""
    found = {}
    etag = str(head.get("ETag", "")).strip('"')
    # Objects of several parts mostly have a checksum of checksums. Stores that do not tell the kind give that.
    if head.get("ChecksumType", "COMPOSITE" if "-" in etag else "FULL_OBJECT") == "FULL_OBJECT":
        for name in ("CRC32", "SHA1", "SHA256"):
            value = head.get(f"Checksum{name}")
            if isinstance(value, str) and "-" not in value:
                found[name] = value
    plain = head.get("ServerSideEncryption") in (None, "AES256") and "SSECustomerAlgorithm" not in head
    if plain and _MD5.fullmatch(etag):
        found["MD5"] = etag
    return found


def _computed(file: Path, name: str) -> str:
    if name == "CRC32":
        value = 0

        def add(data: bytes) -> None:
            nonlocal value
            value = zlib.crc32(data, value)

        _read(file, add)
        return base64.b64encode(value.to_bytes(4, "big")).decode()
    hasher = hashlib.new(name.lower(), usedforsecurity=False)
    _read(file, hasher.update)
    return hasher.hexdigest() if name == "MD5" else base64.b64encode(hasher.digest()).decode()


def _read(file: Path, use: Callable[[bytes], None]) -> None:
    with file.open("rb") as stream:
        while data := stream.read(_CHUNK):
            use(data)
