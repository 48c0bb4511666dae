"""Pack a model directory into the model.tar.gz that SageMaker unpacks into /opt/ml/model.

python examples/sagemaker/package.py examples/sagemaker/model model.tar.gz

Weights of more than a few GB are better left out of it: name them as option.model_id=s3://..., or upload the directory
as it is and give its prefix to deploy.py.
"""

import argparse
import sys
import tarfile
from pathlib import Path

PROPERTIES = "serving.properties"
LEFT_OUT = ("__pycache__", ".git", ".cache", ".DS_Store")


def pack(directory: Path, archive: Path) -> list[str]:
    """Write the archive, serving.properties at its root; return what is in it. Raises ValueError, OSError."""
    if not (directory / PROPERTIES).is_file():
        raise ValueError(f"{directory} has no {PROPERTIES}: it must lie at the root of the archive.")
    files = [
        path for path in sorted(directory.rglob("*")) if path.is_file() and not _left_out(path, directory)
    ]
    scratch = archive.with_name(f"{archive.name}.part")
    try:
        with tarfile.open(scratch, "w:gz", dereference=True) as packed:  # a hub's cache holds links
            for file in files:
                packed.add(file, str(file.relative_to(directory)), filter=_nobodys)
        scratch.replace(archive)
    finally:
        scratch.unlink(missing_ok=True)
    return [str(file.relative_to(directory)) for file in files]


def _left_out(path: Path, directory: Path) -> bool:
    return any(part in LEFT_OUT for part in path.relative_to(directory).parts)


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the names of this machine; readable by whoever runs the container."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path, help="the one with serving.properties")
    parser.add_argument("archive", type=Path, nargs="?", default=Path("model.tar.gz"))
    args = parser.parse_args()
    try:
        names = pack(args.directory, args.archive)
    except (ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(f"{args.archive}: {', '.join(names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
