"""Whether an error says that memory ran out, whichever library it comes from."""

from __future__ import annotations

_SIGNS = (
    "bad_alloc",
    "defaultcpuallocator",
    "cannot allocate memory",
    "not enough memory",
    "memory allocation still failed",
    "failed to map segment from shared object",
    "can't start new thread",
    "resource temporarily unavailable",
    "memoryerror",
    "error return without exception set",
    "returned null without setting an exception",
)
"""What C++, torch, the C library, NNCF, OpenBLAS, the dynamic loader and Python say of it, C++ of a thread that is not
to be had, and Python where a function in C does not say it; in lower case."""


def says(text: str) -> bool:
    """Whether a text says so."""
    folded = text.lower()
    return any(sign in folded for sign in _SIGNS)


def ran_out(error: BaseException) -> bool:
    """Whether it, or what has led to it, is a lack of memory."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, MemoryError) or says(str(at)):
            return True
        at = at.__cause__ or at.__context__
    return False
