"""A download whose process is killed, again and again, ends with the right bytes and fetches little twice."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import s3

ROOT = Path(__file__).resolve().parents[2]
PIECE = 16384
CONTENT = b"".join(hashlib.sha512(bytes((n % 256, n // 256))).digest() for n in range(16_384))
FETCH = """
import itertools, os, signal, sys
from pathlib import Path
from djl_trtllm.s3.address import parse
from djl_trtllm.s3.boto import Boto
from djl_trtllm.s3.client import FOR_MODELS
client, place = Boto(FOR_MODELS, piece=16384), parse(sys.argv[1])
get = client._s3.get_object
asked = itertools.count(1)
def ask(**words):
    print("asked", flush=True)
    if next(asked) >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return get(**words)
client._s3.get_object = ask
files = {Path(sys.argv[2], item.name): item for item in client.listing(place)}
client.fetch(place, files, lambda count: print("have" if count else "", flush=True))
print("whole", flush=True)
"""


@pytest.mark.long
def test_a_download_survives_being_killed(s3_server: s3.S3, tmp_path: Path) -> None:
    address = s3_server.bucket("killed", {"m/a": CONTENT, "m/b": CONTENT[:50_000]}) + "/m"
    draw = random.Random(6)
    asked = kills = 0
    for _ in range(20):
        process = subprocess.run(
            [sys.executable, "-c", FETCH, address, str(tmp_path), str(draw.randint(5, 60))],
            cwd=ROOT,
            env={**os.environ, **s3_server.environ},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        said = process.stdout.splitlines()
        kills += process.returncode != 0
        asked += said.count("asked")
        if "whole" in said:
            break
    assert kills >= 1
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert (tmp_path / "b").read_bytes() == CONTENT[:50_000]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
    # Each kill loses what was on its way, of sixteen threads.
    assert asked <= -(-len(CONTENT) // PIECE) + 4 + 32 * kills
