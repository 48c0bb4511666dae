"""Stands in for the s5cmd binary: command lines and JSON of its releases 2.0 to 2.3, over a directory of buckets.

FAKE_S5CMD is that directory. FAKE_S5CMD_ERROR is an error that every command answers; FAKE_S5CMD_LOG a file to which
each command line is added. `after-cp`, a script in the directory, runs after every copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(os.environ.get("FAKE_S5CMD", "."))


def write(directory: Path) -> Path:
    """Write an executable `s5cmd` into a directory."""
    script = directory / "s5cmd"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S {shlex.quote(__file__)} "$@"\n')
    script.chmod(0o755)
    return script


def fail(command: list[str], error: str) -> int:
    print(
        json.dumps({"operation": command[0], "command": " ".join(command), "error": error}), file=sys.stderr
    )
    return 1


def local(url: str) -> Path:
    return ROOT / url.removeprefix("s3://") if url.startswith("s3://") else Path(url)


def ls(command: list[str]) -> int:
    (url,) = command[1:]
    if not url.endswith("*") or "*" in url[:-1]:
        return fail(command, "the stand-in lists below a prefix only")
    bucket, _, prefix = url[:-1].removeprefix("s3://").partition("/")
    if not (ROOT / bucket).is_dir():
        return fail(
            command,
            "NoSuchBucket: The specified bucket does not exist status code: 404",
        )
    found = False
    for path in sorted((ROOT / bucket).rglob("*")):
        key = path.relative_to(ROOT / bucket).as_posix()
        if path.is_file() and key.startswith(prefix):
            found = True
            content = path.read_bytes()
            item = {"key": f"s3://{bucket}/{key}", "etag": hashlib.md5(content).hexdigest(), "type": "file"}
            if content:  # omitempty
                item["size"] = len(content)
            print(json.dumps(item | {"last_modified": "2026-01-01T00:00:00Z", "storage_class": "STANDARD"}))
    return 0 if found else fail(command, "no object found")


def cp(command: list[str]) -> int:
    if command[1] != "--raw" or len(command) != 4:
        return fail(command, "expected source and destination arguments")
    source, destination = command[2:]
    if not local(source).is_file():
        return fail(command, f'given object "{source}" not found')
    local(destination).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(local(source), local(destination))
    message = {"operation": "cp", "success": True, "source": source, "destination": destination}
    print(
        json.dumps(message | {"object": {"type": "file", "size": local(source).stat().st_size}}), flush=True
    )
    if (ROOT / "after-cp").exists():
        os.system(str(ROOT / "after-cp"))
    return 0


def cat(command: list[str]) -> int:
    (url,) = command[1:]
    if not local(url).is_file():
        return fail(command, f'given object "{url}" not found')
    sys.stdout.buffer.write(local(url).read_bytes())
    return 0


def rm(command: list[str]) -> int:
    if command[1] != "--raw":
        return fail(command, "the stand-in removes single objects only")
    local(command[2]).unlink(missing_ok=True)
    print(json.dumps({"operation": "rm", "success": True, "source": command[2]}))
    return 0


def run(command: list[str]) -> int:
    codes = [COMMANDS[words[0]](words) for words in map(shlex.split, sys.stdin) if words]
    return max(codes, default=0)


COMMANDS = {"ls": ls, "cp": cp, "cat": cat, "rm": rm, "run": run}


def main(words: list[str]) -> int:
    if "FAKE_S5CMD_LOG" in os.environ:
        with Path(os.environ["FAKE_S5CMD_LOG"]).open("a") as log:
            log.write(f"{os.environ.get('S3_ENDPOINT_URL', '')} {shlex.join(words)}\n")
    if words.pop(0) != "--json":
        return 2
    while words[0] in ("--retry-count", "--numworkers"):
        int(words[1])
        del words[:2]
    if os.environ.get("FAKE_S5CMD_ERROR") == "sleeps":
        time.sleep(60)
    if os.environ.get("FAKE_S5CMD_ERROR"):
        return fail(words, os.environ["FAKE_S5CMD_ERROR"])
    return COMMANDS[words[0]](words)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
