"""Downloads from the Hugging Face hub, or a mirror of it.

Endpoint, token, cache directory, time-outs and offline mode are huggingface_hub's own environment: HF_ENDPOINT,
HF_TOKEN, HF_HOME or HF_HUB_CACHE, HF_HUB_ETAG_TIMEOUT, HF_HUB_OFFLINE. Files that arrived whole are never fetched
again, and a connection that breaks goes on where it broke. What a process that was killed had of a file is lost with
the releases of huggingface_hub that name it at random (seen: 1.21).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from djl_trtllm.core import Progress
from djl_trtllm.errors import LoadError, ModelNotFound
from djl_trtllm.model import growth, partitioned, room
from djl_trtllm.s3.address import is_safe

Choice = Callable[[Collection[str]], Sequence[str]]
"""From all names in a repository to those of the files that are needed; it may refuse with a `LoadError`."""

_REVISION = re.compile(r"[\w@][\w.@+=-]{0,95}(/[\w@][\w.@+=-]{0,95}){0,4}", re.ASCII)
_BEGUN = "djl_trtllm.begun"
"""Beside the blobs of a repository while its files are fetched; it outlives a process that is killed."""

_REMEDY = "set the variable HF_HUB_CACHE to a directory on a larger disk"
_LEFT = re.compile(r"([0-9a-f]{40,64})\.[0-9a-f]{8}\.incomplete")
_ANY = {"*": "[*]", "?": "[?]", "[": "[[]"}


def download(
    repo: str,
    revision: str | None,
    choose: Choice,
    environ: Mapping[str, str],
    progress: Progress,
    option: str = "model_id",
) -> Path:
    """Return the local snapshot of a hub repository with the chosen files; those that are here are not fetched again.

    Without a network, a snapshot fetched earlier is used, unless its download was broken off. Raises `ModelNotFound`
    saying what to do, also where the disk has no room, and what `choose` raises. `option` is what named it.
    """
    # huggingface_hub makes a file of that name in its cache.
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise ModelNotFound(
            f"option.revision={revision[:100]!r} is no branch, tag or commit: letters, digits and ._@+=-/ only."
        )
    return _Repository(repo, revision, environ, option).fetch(choose, progress)


class _Repository:
    """One repository at one revision, and the words for it in errors."""

    def __init__(self, repo: str, revision: str | None, environ: Mapping[str, str], option: str) -> None:
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        self._repo = repo
        self._revision = revision
        self._environ = environ
        self._option = option
        self._name = repo if revision is None else f"{repo}@{revision}"
        self._folder = repo_folder_name(repo_id=repo, repo_type="model")
        self._cache = Path(constants.HF_HUB_CACHE)
        self._begun = self._cache / self._folder / _BEGUN

    def fetch(self, choose: Choice, progress: Progress) -> Path:
        stage = f"fetching {self._name} from the hub"
        progress.stage(stage)
        try:
            listed = self._list()
        except Exception as error:
            return self._earlier(error)
        names = choose(sorted(listed))
        blobs = self._cache / self._folder / "blobs"
        missing = {
            blob: size for blob, size in map(listed.__getitem__, names) if not (blobs / blob).is_file()
        }
        room.check(sum(missing.values()), self._cache, self._name, _REMEDY)
        if missing:
            self._sweep(blobs)
            with suppress(OSError):
                self._begun.parent.mkdir(parents=True, exist_ok=True)
                self._begun.touch()
        with growth.watched(blobs, missing, progress, stage):
            found = self._snapshot(names)
        # One may be left of a process that was killed when all had arrived.
        with suppress(OSError):
            self._begun.unlink(missing_ok=True)
        return found

    def _list(self) -> dict[str, tuple[str, int]]:
        """Return the ETag and the size of every file of the repository, by name."""
        from huggingface_hub import HfApi

        info = HfApi().model_info(self._repo, revision=self._revision, files_metadata=True)
        found = {}
        for file in info.siblings or ():
            # The record of a conversion step names another model, or a directory here; nobody converts into the hub.
            if not is_safe(file.rfilename) or file.rfilename.rpartition("/")[2] == partitioned.NAME:
                continue
            # huggingface_hub names a blob by its ETag: SHA-256 for LFS files, else git's own digest.
            large = file.lfs["sha256"] if file.lfs else None  # a plain dict before 0.21
            found[file.rfilename] = (str(large or file.blob_id or file.rfilename), int(file.size or 0))
        return found

    def _snapshot(self, names: Sequence[str]) -> Path:
        import huggingface_hub

        patterns = [re.sub(r"[*?[]", lambda sign: _ANY[sign[0]], name) for name in names]
        try:
            path = huggingface_hub.snapshot_download(
                repo_id=self._repo, revision=self._revision, allow_patterns=patterns
            )
        except Exception as error:
            raise self._said(error) from error
        return Path(path)

    def _earlier(self, error: Exception) -> Path:
        """Return what was fetched before; where that is nothing, what kept us from listing is the error."""
        import huggingface_hub

        try:
            path = huggingface_hub.snapshot_download(
                repo_id=self._repo, revision=self._revision, local_files_only=True
            )
        except Exception:
            raise self._said(error) from error
        if self._begun.exists():
            raise ModelNotFound(
                f"{self._name} is here in part only: its download was broken off, and {self._why_not(error)}."
                " Start once with the hub in reach, or download it again."
            ) from error
        return Path(path)

    def _sweep(self, blobs: Path) -> None:
        """Remove the remains of downloads whose processes are gone: huggingface_hub never takes them up again."""
        from filelock import FileLock, Timeout

        for left in blobs.glob("*.incomplete"):
            match = _LEFT.fullmatch(left.name)
            lock = self._cache / ".locks" / self._folder / f"{match[1]}.lock" if match else None
            with suppress(OSError, Timeout):
                if lock is not None and lock.is_file():
                    with FileLock(lock, timeout=0):
                        left.unlink()

    def _said(self, error: Exception) -> LoadError:
        from huggingface_hub import utils as errors  # huggingface_hub.errors has them all since 0.25

        if isinstance(error, errors.GatedRepoError):
            return ModelNotFound(
                f"{self._name} is gated."
                " Accept its terms on the hub and set HF_TOKEN to a token of that account."
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return ModelNotFound(f"{self._repo} has no revision {self._revision!r}. Check option.revision.")
        if isinstance(error, errors.RepositoryNotFoundError):
            return ModelNotFound(
                f"The hub has no model {self._name}, or it is private."
                f" Check option.{self._option}; for a private model set HF_TOKEN."
            )
        if (status := _status(error)) is not None:
            return ModelNotFound(
                f"{self._name} could not be fetched: the hub answered {status}."
                " What has arrived is kept: start again, and check HF_ENDPOINT if it is set."
            )
        if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
            return ModelNotFound(
                f"{self._name} cannot be kept in {self._cache}: {error.strerror}."
                " Set the variable HF_HUB_CACHE to a directory that can be written and has room."
            )
        return ModelNotFound(
            f"{self._name} is not a directory here and could not be fetched, because {self._why_not(error)}."
            f" Give a local directory as option.{self._option}, or download the model first."
        )

    def _why_not(self, error: Exception) -> str:
        if self._environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
            return "HF_HUB_OFFLINE is set"
        return f"the hub cannot be reached from here ({type(error).__name__})"


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an error; huggingface_hub hides that of a file in the cause of another error."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__
    return None
