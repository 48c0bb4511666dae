"""`djl-trtllm verify`: whether compiled models are, byte for byte, what was compiled."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.cli import cache, console
from djl_trtllm.cli.parser import Commands
from djl_trtllm.errors import ArtifactError

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console
    from djl_trtllm.compile.entry import Entry
    from djl_trtllm.core import Progress

DESCRIPTION = """\
Read every file of compiled models and compare it with the digest that was taken when it was made. Without WHAT, all
models in the cache. The exit code is 1 if any file is missing or not what was built; a start that needs such a model
compiles it again.
"""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What was found of one compiled model. `problems` are sentences; `skipped` says why it was not looked at."""

    key: str
    model: str
    path: str
    files: int
    bytes: int
    problems: list[str]
    skipped: str = ""


def add_parser(subparsers: Commands) -> argparse.ArgumentParser:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "verify",
        help="compare compiled models with their digests",
        description=DESCRIPTION,
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="WHAT",
        help="a key, its beginning, or a directory that `compile --output` wrote",
    )
    cache.add_cache(parser)
    console.add_json(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Compare; 1 when anything is wrong."""
    shown, store = cache.opened(args)
    entries = [_entry(args, word) for word in args.what] if args.what else store.entries()
    with shown.progress("verifying") as progress:
        reading = _Reading(entries, progress)
        verdicts = [_verdict(entry, reading) for entry in entries]
    well = not any(verdict.problems for verdict in verdicts)
    shown.document({"ok": well, "artifacts": [asdict(verdict) for verdict in verdicts]})
    for verdict in verdicts:
        _show(shown, verdict)
    if not verdicts:
        shown.line(f"Nothing is compiled in {store.root}.")
    return 0 if well else 1


def _entry(args: argparse.Namespace, word: str) -> Entry:
    if (Path(word) / "manifest.json").is_file():
        return cache.entry_at(Path(word).absolute())
    if cache.is_key(word):
        return cache.entry_of(cache.store_of(args), word)
    raise ArtifactError(f"{word} is neither a key nor a directory with a compiled model (manifest.json).")


class _Reading:
    """How far all files are read."""

    def __init__(self, entries: Sequence[Entry], progress: Progress) -> None:
        manifests = [entry.manifest for entry in entries if entry.manifest is not None]
        self._whole = max(sum(manifest.total_bytes() for manifest in manifests), 1)
        self._stage = f"reading {cache.plural(sum(len(one.files) for one in manifests), 'file')}"
        self._progress = progress
        self._read = 0
        self.add(0)

    def add(self, count: int) -> None:
        """Say that so many bytes more are read."""
        self._read += count
        self._progress.stage(self._stage, 100.0 * self._read / self._whole)


def _verdict(entry: Entry, reading: _Reading) -> _Verdict:
    name, path = cache.name_of(entry), str(entry.path)
    if entry.manifest is None:
        if cache.is_foreign(entry):
            return _Verdict(entry.key, name, path, 0, entry.bytes, [], skipped=entry.problem)
        return _Verdict(entry.key, name, path, 0, entry.bytes, [entry.problem])
    problems = []
    for file, expected in entry.manifest.files.items():
        problem = _problem(entry.path / file, expected.size, expected.digest)
        if problem:
            problems.append(f"{file} {problem}.")
        reading.add(expected.size)
    return _Verdict(entry.key, name, path, len(entry.manifest.files), entry.bytes, problems)


def _problem(file: Path, size: int, digest: str) -> str:
    """Say what is wrong with a file; empty where nothing is."""
    from djl_trtllm.compile import fingerprint

    try:
        found = file.stat().st_size
        if found != size:
            return f"has {found} bytes and should have {size}"
        return "" if fingerprint.digest(file) == digest else "is damaged: its content is not what was built"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _show(shown: Console, verdict: _Verdict) -> None:
    from djl_trtllm.compile import disk

    named = f"{verdict.key[: cache.SHOWN]}  {verdict.model}"
    if verdict.skipped:
        shown.line(f"skipped  {named}: {verdict.skipped}", "warn")
    elif verdict.problems:
        shown.line(f"damaged  {named}  in {verdict.path}", "bad")
        for problem in verdict.problems:
            shown.line(f"  {problem}", "bad")
    else:
        size = f"{cache.plural(verdict.files, 'file')}, {disk.size(verdict.bytes)}"
        shown.line(f"whole    {named}  {size}", "good")
