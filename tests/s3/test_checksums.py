import base64
import hashlib
import zlib
from pathlib import Path

import pytest

from djl_trtllm.s3 import checksums

CONTENT = b"content" * 300_000
MD5 = hashlib.md5(CONTENT).hexdigest()
CRC32 = base64.b64encode(zlib.crc32(CONTENT).to_bytes(4, "big")).decode()
SHA256 = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()


@pytest.mark.parametrize(
    "head",
    [
        {"ETag": f'"{MD5}"'},
        {"ETag": f'"{MD5}"', "ServerSideEncryption": "AES256"},
        {"ETag": '"0-2"', "ChecksumCRC32": CRC32, "ChecksumType": "FULL_OBJECT"},
        {"ETag": '"0"', "ChecksumSHA256": SHA256},
    ],
)
def test_checksums_that_are_compared(tmp_path: Path, head: dict[str, str]) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    assert checksums.fits(file, head)
    file.write_bytes(CONTENT[:-1] + b"x")
    assert not checksums.fits(file, head)


@pytest.mark.parametrize(
    "head",
    [
        {"ETag": f'"{"0" * 32}"', "ServerSideEncryption": "aws:kms"},
        {"ETag": f'"{"0" * 32}"', "SSECustomerAlgorithm": "AES256"},
        {"ETag": '"0123-9"'},
        {"ETag": '"0-2"', "ChecksumCRC32": "AAAAAA==", "ChecksumType": "COMPOSITE"},
        {"ETag": '"0-2"', "ChecksumSHA256": "AAAA-2"},
        {"ETag": '"0-2"', "ChecksumCRC32": "AAAAAA=="},
        {"ETag": '"0-2"', "ChecksumCRC64NVME": "AAAA"},
    ],
)
def test_checksums_that_tell_nothing(tmp_path: Path, head: dict[str, str]) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    assert checksums.fits(tmp_path / "file", head)
