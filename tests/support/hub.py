"""A server on this machine that speaks as much of the Hugging Face hub's API as snapshot_download needs.

`Client` runs `model.locate` against it in a process of its own, because huggingface_hub reads its environment when it
is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
LARGE = (".safetensors", ".bin", ".engine")


@dataclass
class Repository:
    """Files by revision. `refuses` is the status that its files are answered with, `hidden` that it answers 401."""

    revisions: dict[str, dict[str, bytes]]
    refuses: int = 0
    hidden: bool = False


@dataclass
class Hub:
    """What the server has and what it was asked. A file in `cuts` ends after so many bytes, once."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    cuts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, files: Mapping[str, bytes], revision: str = "main") -> Repository:
        repository = self.repositories.setdefault(name, Repository({}))
        repository.revisions[revision] = dict(files)
        return repository

    def fetched(self, name: str) -> list[tuple[str, str]]:
        """The files of a repository that were asked for, with their ranges."""
        start = f"/{name}/resolve/"
        return [
            (path.removeprefix(start).partition("/")[2], span)
            for method, path, span in self.asked
            if method == "GET" and path.startswith(start)
        ]


def sha(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha1()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def etag(name: str, content: bytes) -> str:
    return (hashlib.sha256 if name.endswith(LARGE) else hashlib.sha1)(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *values: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if path.startswith("/api/models/"):
            name, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            self._describe(name, revision or "main")
            return
        name, _, rest = path.removeprefix("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        self._file(name, revision, file)

    def _describe(self, name: str, revision: str) -> None:
        repository = self.hub.repositories.get(name)
        if repository is None or repository.hidden:
            self._refuse(401, "RepoNotFound")
            return
        files = self._files(repository, revision)
        if files is None:
            self._refuse(404, "RevisionNotFound")
            return
        siblings: list[dict[str, Any]] = []
        for file, content in sorted(files.items()):
            about: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": etag("", content)}
            if file.endswith(LARGE):
                about["lfs"] = {"sha256": etag(file, content), "size": len(content), "pointerSize": 134}
            siblings.append(about)
        body = {
            "_id": "1",
            "id": name,
            "modelId": name,
            "sha": sha(files),
            "siblings": siblings,
            "private": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
        }
        self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _file(self, name: str, revision: str, file: str) -> None:
        repository = self.hub.repositories[name]
        if repository.refuses:
            self._refuse(repository.refuses, "GatedRepo" if repository.refuses in (401, 403) else "")
            return
        files = self._files(repository, revision)
        if files is None or file not in files:
            self._refuse(404, "EntryNotFound")
            return
        content = files[file]
        headers = {"X-Repo-Commit": sha(files), "ETag": f'"{etag(file, content)}"', "Accept-Ranges": "bytes"}
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = self.hub.cuts.pop(file, None) if self.command == "GET" else None
        self._send(206 if start else 200, content[start:], headers, cut)

    def _files(self, repository: Repository, revision: str) -> dict[str, bytes] | None:
        by_sha = {sha(files): files for files in repository.revisions.values()}
        return repository.revisions.get(revision) or by_sha.get(revision)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True


@contextmanager
def server() -> Iterator[Hub]:
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        hub.url = f"http://127.0.0.1:{running.server_address[1]}"
        try:
            yield hub
        finally:
            running.shutdown()
            thread.join()


class Client:
    """A process that locates models, one after the other."""

    def __init__(self, url: str, home: Path, **environ: str) -> None:
        self.cache = home / "hub"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.hub"],
            cwd=ROOT,
            env={
                **clean,
                **own,
                "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                **environ,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def locate(self, **options: object) -> tuple[Path | None, str]:
        """Return what `locate` found, or the text of its error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(options) + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return (Path(found["path"]) if "path" in found else None), found.get("error", "")

    def close(self) -> None:
        self._process.communicate("")


def main() -> None:
    from djl_trtllm.errors import LoadError
    from djl_trtllm.model import locate
    from djl_trtllm.options import places
    from djl_trtllm.options.table import Options
    from tests.support.plans import Stages

    real = places.free_bytes
    for line in sys.stdin:
        values = json.loads(line)
        free = values.pop("free", None)
        places.free_bytes = real if free is None else lambda path, free=free: free  # type: ignore[misc]
        try:
            options = Options(**values)
            if options.tokenizer is not None:
                found = {"path": str(locate.tokenizer_directory(options, os.environ, Stages()))}
            else:
                found = {"path": str(locate.locate(options, os.environ, Stages()).path)}
        except LoadError as error:
            found = {"error": str(error)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
