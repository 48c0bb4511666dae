"""A second tier in S3: what one machine has compiled, others fetch.

    <option.cache_remote>/<key>/manifest.json    stored last, removed first
    <option.cache_remote>/<key>/<files>

What has no manifest is not there, so nothing half-stored is ever taken. Two that store one key at once leave files of
equal plans; where their bytes differ the digests say so, and who meets that compiles, and stores anew.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from djl_trtllm.compile import manifest
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.core import Progress
from djl_trtllm.errors import ArtifactError
from djl_trtllm.s3 import address
from djl_trtllm.s3.address import Address
from djl_trtllm.s3.client import FOR_CACHE, Client, Object, connect
from djl_trtllm.s3.errors import Missing

_logger = logging.getLogger(__name__)


class Remote:
    """A `tier.Tier` below an address in S3. The client is made when it is first needed: boto3 takes long to import."""

    def __init__(self, place: Address, client: Callable[[], Client]) -> None:
        self.name = str(place)
        self._place = place
        self._make = client
        self._made: Client | None = None
        self._doubted: set[str] = set()

    def fetch(self, key: str, into: Path, progress: Progress) -> bool:
        """Fetch an artifact if it is there. `ArtifactError` names the file that is not as the manifest says."""
        place = self._place / key
        try:
            text = self._client().read(place / manifest.NAME)
        except Missing:
            return False
        # Whoever comes back with this key to store has found what is there to be wrong.
        self._doubted.add(key)
        (into / manifest.NAME).write_bytes(text)
        found = manifest.read(into)
        there = {item.name: item for item in self._client().listing(place)}
        _check(found, there, place)
        files = {into / name: there[name] for name in found.files}
        self._client().fetch(place, files, _report(f"fetching {key[:12]} from {self.name}", found, progress))
        return True

    def store(self, key: str, artifact: Path, progress: Progress) -> None:
        """Store an artifact, unless a whole one is there that was not found wrong in this process."""
        place = self._place / key
        if key not in self._doubted and self._is_there(place):
            _logger.info("the compiled model %s is in %s already", key[:12], self.name)
            return
        built = manifest.read(artifact)
        files = {name: artifact / name for name in built.files}
        client = self._client()
        client.remove(place / manifest.NAME)
        client.store(place, files, _report(f"storing {key[:12]} in {self.name}", built, progress))
        _check(built, {item.name: item for item in client.listing(place)}, place)
        client.store(place, {manifest.NAME: artifact / manifest.NAME}, lambda _: None)
        self._doubted.discard(key)
        _logger.info("the compiled model %s is in %s now", key[:12], self.name)

    def _client(self) -> Client:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _is_there(self, place: Address) -> bool:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                Path(scratch, manifest.NAME).write_bytes(self._client().read(place / manifest.NAME))
                found = manifest.read(Path(scratch))
            _check(found, {item.name: item for item in self._client().listing(place)}, place)
        except (Missing, ArtifactError):
            return False
        return True


def tier(text: str | None, environ: Mapping[str, str]) -> Remote | None:
    """Return the tier that option.cache_remote names, which is an address; None without one."""
    if text is None:
        return None
    return Remote(address.parse(text), lambda: connect(environ, FOR_CACHE))


def _check(content: Manifest, there: Mapping[str, Object], place: Address) -> None:
    for name, file in content.files.items():
        if name not in there:
            raise ArtifactError(f"{place / name} is missing.")
        if there[name].size != file.size:
            raise ArtifactError(f"{place / name} has {there[name].size} bytes and should have {file.size}.")


def _report(stage: str, content: Manifest, progress: Progress) -> Callable[[int], None]:
    """Return what adds up bytes and says how many percent they are."""
    total = max(1, content.total_bytes())
    arrived = 0

    def add(count: int) -> None:
        nonlocal arrived
        arrived += count
        progress.stage(stage, 100 * arrived / total)

    return add
