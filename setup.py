"""Package entry for `pip install .`; everything but machine code is declared in pyproject.toml.

`DJL_TRTLLM_COMPILE=1` has what every token goes through compiled by Cython, which is then needed, as a C compiler is.
Without it, or where a wheel for another Python is installed, the same work is done in Python.
"""

import os

from setuptools import Extension, setup

COMPILED = (
    "djl_trtllm/_token_chunk.pyx",
    "djl_trtllm/formats/_token_line.pyx",
    "djl_trtllm/rolling_batch/_items.pyx",
    "djl_trtllm/rolling_batch/live_sequence.py",
    "djl_trtllm/rolling_batch/loop.py",
    "djl_trtllm/rolling_batch/receiver.py",
    "djl_trtllm/rolling_batch/slot.py",
)


def extensions() -> list[Extension]:
    """Return what is to be compiled: nothing, unless that was asked for."""
    if os.environ.get("DJL_TRTLLM_COMPILE") != "1":
        return []
    try:
        from Cython.Build import cythonize
    except ModuleNotFoundError:
        raise SystemExit(
            "DJL_TRTLLM_COMPILE=1 needs Cython in the environment that builds: "
            "install cython and setuptools there, and build with --no-build-isolation."
        ) from None
    modules = [Extension(source.rpartition(".")[0].replace("/", "."), [source]) for source in COMPILED]
    # Annotations are for readers and mypy: taken as types of C, they would refuse a bytearray for bytes.
    return cythonize(
        modules,
        build_dir="build/cython",
        compiler_directives={"language_level": 3, "annotation_typing": False},
    )


setup(ext_modules=extensions())
