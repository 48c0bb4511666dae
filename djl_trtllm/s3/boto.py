"""S3 by boto3: many pieces at once, each a request for a range of the very object that was listed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from djl_trtllm.s3 import checksums, errors
from djl_trtllm.s3.address import Address
from djl_trtllm.s3.client import Done, Object, Patience, listed
from djl_trtllm.s3.partial import Partial

PIECE = 16 << 20
"""Bytes of one request. S3's performance guidelines name 8 to 16 MB for ranges that are fetched side by side."""

_THREADS = 16
_TALKATIVE = ("boto3", "botocore", "s3transfer")
"""Loggers that write down signed requests where the root logger's level is DEBUG."""

_CHUNK = 1 << 20
_PAUSE = 0.5


class Boto:
    """A `client.Client`. Making one reads the SDK's configuration and asks nobody."""

    def __init__(self, patience: Patience, piece: int = PIECE) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        for name in _TALKATIVE:
            if logging.getLogger(name).level == logging.NOTSET:
                logging.getLogger(name).setLevel(logging.WARNING)
        self._piece = piece
        self._attempts = patience.attempts
        config = Config(
            connect_timeout=patience.connect,
            read_timeout=patience.read,
            retries={"mode": "standard", "total_max_attempts": patience.attempts},
            max_pool_connections=_THREADS,
        )
        try:
            # A session of its own: the default one of boto3 may be set up by a model's own code.
            self._s3: Any = boto3.session.Session().client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise errors.of(type(error).__name__, Address("s3")) from None
        self._host = errors.host(str(self._s3.meta.endpoint_url))

    def listing(self, place: Address) -> Sequence[Object]:
        """List what is below a prefix."""
        with self._telling(place):
            return listed(self._below(place), place)

    def _below(self, place: Address) -> Iterator[Object]:
        prefix = f"{place.prefix}/" if place.prefix else ""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/"):
                    etag = str(item.get("ETag", "")).strip('"')
                    yield Object(item["Key"][len(prefix) :], item["Size"], etag)

    def fetch(self, place: Address, files: Mapping[Path, Object], done: Done) -> None:
        """Fetch objects in pieces, and check those whose checksum is known."""
        with ExitStack() as held, ThreadPoolExecutor(_THREADS, "s3") as pool:
            left: dict[Partial, int] = {}
            running: dict[Future[int], Partial] = {}
            for target, wanted in files.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = held.enter_context(Partial(target, wanted, self._piece))
                missing = partial.missing()
                left[partial] = len(missing)
                done(wanted.size - sum(end - start for start, end in map(partial.span, missing)))
                for number in missing:
                    running[pool.submit(self._piece_of, place, partial, number)] = partial
            try:
                finishing = [pool.submit(self._finish, place, it) for it, count in left.items() if not count]
                for future in as_completed(running):
                    done(future.result())
                    partial = running[future]
                    left[partial] -= 1
                    if not left[partial]:
                        finishing.append(pool.submit(self._finish, place, partial))
                for ended in finishing:
                    ended.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def read(self, place: Address) -> bytes:
        """Return one small object."""
        with self._telling(place):
            return bytes(self._s3.get_object(Bucket=place.bucket, Key=place.prefix)["Body"].read())

    def store(self, place: Address, files: Mapping[str, Path], done: Done) -> None:
        """Upload files; large ones go in parts."""
        for name, file in files.items():
            with self._telling(place / name):
                self._upload(str(file), place.bucket, place.key(name))
            done(file.stat().st_size)

    def remove(self, place: Address) -> None:
        """Remove one object."""
        with self._telling(place):
            self._s3.delete_object(Bucket=place.bucket, Key=place.prefix)

    def _upload(self, file: str, bucket: str, key: str) -> None:
        from boto3.s3.transfer import TransferConfig

        try:
            self._s3.upload_file(file, bucket, key)
        except RuntimeError:
            # Python refuses new work in pools once the main thread has ended, whatever other threads still do.
            self._s3.upload_file(file, bucket, key, Config=TransferConfig(use_threads=False))

    def _piece_of(self, place: Address, partial: Partial, number: int) -> int:
        """Fetch one piece; return its size in bytes. The SDK does not retry what breaks off in the middle."""
        start, end = partial.span(number)
        at = start

        def take() -> None:
            nonlocal at
            body = self._s3.get_object(
                Bucket=place.bucket,
                Key=place.key(partial.wanted.name),
                IfMatch=f'"{partial.wanted.etag}"',
                Range=f"bytes={at}-{end - 1}",
            )["Body"]
            with body:
                for data in body.iter_chunks(_CHUNK):
                    partial.write(at, data)
                    at += len(data)

        self._persist(place / partial.wanted.name, take)
        if at != end:
            raise errors.of("IncompleteReadError", place / partial.wanted.name, self._host)
        partial.mark(number)
        return end - start

    def _persist(self, place: Address, take: Callable[[], None]) -> None:
        for attempt in range(1, self._attempts):
            if self._taken(place, take):
                return
            time.sleep(_PAUSE * attempt)
        with self._telling(place):
            take()

    def _taken(self, place: Address, take: Callable[[], None]) -> bool:
        """Whether all went well; False where it may the next time."""
        try:
            with self._telling(place):
                take()
        except errors.Unreachable:
            return False
        except errors.Missing as error:
            raise errors.of("PreconditionFailed", place) from error
        return True

    def _finish(self, place: Address, partial: Partial) -> None:
        place /= partial.wanted.name
        with self._telling(place):
            head = self._s3.head_object(
                Bucket=place.bucket,
                Key=place.prefix,
                IfMatch=f'"{partial.wanted.etag}"',
                ChecksumMode="ENABLED",
            )
        if not checksums.fits(partial.part, head):
            partial.discard()
            raise errors.S3Error(f"{place} arrived damaged: its checksum is another one. Start again.")
        partial.publish()

    @contextmanager
    def _telling(self, place: Address) -> Iterator[None]:
        """Raise what the SDK raises as one of ours. Nothing is chained: its texts can hold signed URLs."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise errors.of(str(error.response.get("Error", {}).get("Code", "")), place, self._host) from None
        except Boto3Error as error:
            cause = error.__context__
            code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else type(cause).__name__
            raise errors.of(str(code), place, self._host) from None
        except BotoCoreError as error:
            raise errors.of(type(error).__name__, place, self._host) from None
