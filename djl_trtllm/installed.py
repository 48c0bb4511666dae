"""Which version of a distribution is installed, told by its metadata: nothing of it is imported."""

from __future__ import annotations


def version(distribution: str) -> str | None:
    """Return the installed version, or None where the distribution is not installed."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
