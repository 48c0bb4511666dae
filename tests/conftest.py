"""Every test imports the real djl_python, as a worker under DJL does."""

from __future__ import annotations

from tests.support import djl_python

djl_python.importable()
