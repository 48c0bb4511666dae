"""S3 by the s5cmd binary, 2.0 and later: one process for each listing, and one for all files of a transfer.

Command lines and answers are those of s5cmd's own source (command/{ls,cp,cat,rm,run}.go of 2.0.0 and 2.3.0). It cannot
go on with a part of a file, so that an interrupted transfer begins again with the files that are not whole, and it
gives no checksums: files are checked by their size, and the listing is compared once more when all are there.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from djl_trtllm.s3 import errors
from djl_trtllm.s3.address import Address
from djl_trtllm.s3.client import Done, Object, Patience, listed

_WORKERS = "16"
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CODE = re.compile(r"([A-Z][A-Za-z0-9.]+):")
_DISK = {"no space left on device": errno.ENOSPC, "permission denied": errno.EACCES}


class S5cmd:
    """A `client.Client`."""

    def __init__(self, binary: Path, environ: Mapping[str, str], patience: Patience) -> None:
        self._command = [str(binary), "--json", "--retry-count", str(patience.attempts - 1)]
        self._environ = dict(environ)
        self._seconds = patience.attempts * (patience.connect + patience.read)
        # s5cmd has the endpoint from a variable of its own name.
        for name in _ENDPOINTS:
            if environ.get(name):
                self._environ.setdefault("S3_ENDPOINT_URL", environ[name])

    def listing(self, place: Address) -> Sequence[Object]:
        """List what is below a prefix."""
        prefix = f"{place.prefix}/" if place.prefix else ""
        found = []
        for line in self._answer(place, "ls", f"s3://{place.bucket}/{prefix}*").splitlines():
            item = json.loads(line)
            key = str(item["key"]).removeprefix(f"s3://{place.bucket}/")
            if not key.endswith("/"):
                found.append(Object(key[len(prefix) :], int(item.get("size", 0)), str(item.get("etag", ""))))
        return listed(found, place)

    def fetch(self, place: Address, files: Mapping[Path, Object], done: Done) -> None:
        """Fetch whole files, and see that they are still the listed ones."""
        parts = {target: target.with_name(f"{target.name}.part") for target in files}
        for target, wanted in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            if not wanted.size:
                parts[target].touch()
        commands: dict[tuple[str, ...], int] = {
            ("cp", "--raw", str(place / wanted.name), str(parts[target])): wanted.size
            for target, wanted in files.items()
            if wanted.size
        }
        self._transfer(place, commands, done)
        now = {(item.name, item.etag, item.size) for item in self.listing(place)}
        for target, wanted in files.items():
            size = parts[target].stat().st_size
            if size != wanted.size or (wanted.name, wanted.etag, wanted.size) not in now:
                parts[target].unlink()
                raise errors.of("PreconditionFailed", place / wanted.name)
            with parts[target].open("rb") as stream:
                os.fsync(stream.fileno())
            parts[target].replace(target)

    def read(self, place: Address) -> bytes:
        """Return one small object."""
        return self._answer(place, "cat", str(place))

    def store(self, place: Address, files: Mapping[str, Path], done: Done) -> None:
        """Upload files."""
        commands: dict[tuple[str, ...], int] = {
            ("cp", "--raw", str(file), str(place / name)): file.stat().st_size for name, file in files.items()
        }
        self._transfer(place, commands, done)

    def remove(self, place: Address) -> None:
        """Remove one object."""
        self._answer(place, "rm", "--raw", str(place))

    def _answer(self, place: Address, *words: str) -> bytes:
        try:
            ended = subprocess.run(
                [*self._command, *words],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise errors.of("ReadTimeoutError", place, self._endpoint()) from None
        if ended.returncode:
            raise self._problem(ended.stderr.decode(errors="replace"), place)
        return ended.stdout

    def _transfer(self, place: Address, commands: Mapping[tuple[str, ...], int], done: Done) -> None:
        """Run copies side by side in one process; each says in a line of JSON that it is done."""
        if not commands:
            return
        sizes = {words[-1]: size for words, size in commands.items()}
        with tempfile.TemporaryFile("w+") as script, tempfile.TemporaryFile() as said:
            script.writelines(f"{shlex.join(words)}\n" for words in commands)
            script.seek(0)
            command = [*self._command, "--numworkers", _WORKERS, "run"]
            with subprocess.Popen(
                command, env=self._environ, stdin=script, stdout=subprocess.PIPE, stderr=said
            ) as process:
                try:
                    for line in process.stdout or ():
                        done(sizes.get(_destination(line), 0))
                except BaseException:
                    process.kill()
                    raise
            if process.returncode:
                said.seek(0)
                raise self._problem(said.read().decode(errors="replace"), place)

    def _problem(self, text: str, place: Address) -> Exception:
        """Turn what s5cmd says into one error, without repeating it."""
        for said in map(_error, text.splitlines()):
            for words, number in _DISK.items():
                if words in said:
                    return OSError(number, os.strerror(number))
            if "no object found" in said:
                return errors.Missing(f"There is nothing below {place}/. Check the bucket and the prefix.")
            if said.startswith("given object"):
                return errors.of("NoSuchKey", place)
            codes = _CODE.findall(said)
            for code in [*(code for code in codes if code in errors.KNOWN), *codes]:
                return errors.of(code, place, self._endpoint())
        return errors.of("", place)

    def _endpoint(self) -> str:
        return errors.host(self._environ.get("S3_ENDPOINT_URL", ""))


def _destination(line: bytes) -> str:
    try:
        return str(json.loads(line)["destination"])
    except (ValueError, KeyError, TypeError):
        return ""


def _error(line: str) -> str:
    try:
        return str(json.loads(line)["error"])
    except (ValueError, KeyError, TypeError):
        return line
