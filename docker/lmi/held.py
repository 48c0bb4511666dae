"""Constraints that hold every installed package where it is, so that an installation adds what is missing and no more.

A few packages may rise, because old containers have them older than is needed here; what the others ask of them still
holds. `--compare FILE` says which packages are not as the constraints in FILE want them, and fails if any is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

try:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version
except ImportError:  # pip always has it
    from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
    from pip._vendor.packaging.utils import canonicalize_name
    from pip._vendor.packaging.version import InvalidVersion, Version

MAY_RISE = {"blake3", "filelock", "huggingface-hub", "jinja2", "markupsafe", "msgspec"}
OURS = "djl-trtllm"


def constraints(installed: Iterable[Distribution]) -> list[str]:
    """Return a line for every package that is installed, ours excepted."""
    found = _by_name(installed)
    found.pop(OURS, None)
    # What a distribution's own packages have for a version is sometimes none to pip.
    found = {name: dist for name, dist in found.items() if _is_version(dist.version)}
    lines = [f"{name}=={dist.version}" for name, dist in found.items() if name not in MAY_RISE]
    for name in sorted(MAY_RISE & found.keys()):
        asked = {str(spec) for dist in found.values() for spec in _asked(dist, name)}
        asked.add(f">={found[name].version}")
        lines.append(f"{name}{','.join(sorted(asked))}")
    return sorted(lines)


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except (InvalidVersion, TypeError):
        return False
    return True


def _asked(dist: Distribution, name: str) -> Iterable[str]:
    """Yield what one package asks of another, without its extras."""
    for line in dist.requires or ():
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(wanted.name) == name and (
            not wanted.marker or wanted.marker.evaluate({"extra": ""})
        ):
            yield from map(str, wanted.specifier)


def changed(lines: Iterable[str], installed: Iterable[Distribution]) -> list[str]:
    """Return the constraints that do not hold."""
    found = {name: dist.version for name, dist in _by_name(installed).items()}
    wanted = {line: Requirement(line) for line in lines}
    return [
        f"{line} was there, and now it is {found.get(canonicalize_name(want.name), 'gone')}"
        for line, want in wanted.items()
        if not want.specifier.contains(found.get(canonicalize_name(want.name), "0"), prereleases=True)
    ]


def _by_name(installed: Iterable[Distribution]) -> dict[str, Distribution]:
    """Keep the first of each name: it is the one that Python imports."""
    found: dict[str, Distribution] = {}
    for dist in installed:
        if dist.name:
            found.setdefault(canonicalize_name(dist.name), dist)
    return found


def main() -> int:
    """Print constraints; or 1 where those of a file do not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", action="append", help="look there instead of in this Python")
    parser.add_argument("--compare", metavar="FILE", help="constraints that should hold")
    args = parser.parse_args()
    installed = list(distributions(path=args.path) if args.path else distributions())
    if not args.compare:
        print("\n".join(constraints(installed)))
        return 0
    lines = Path(args.compare).read_text(encoding="utf-8").splitlines()
    problems = changed(lines, installed)
    for problem in problems:
        print(f"error: the installation has changed what the container has: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
