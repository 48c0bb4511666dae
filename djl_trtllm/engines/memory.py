"""Whether an error says that memory ran out, whichever library it comes from."""

from __future__ import annotations

SIGNS = (
    "bad_alloc",
    "DefaultCPUAllocator",
    "Cannot allocate memory",
    "not enough memory",
    "failed to map segment from shared object",
    "can't start new thread",
    "error return without exception set",
)
"""What C++, torch, the C library, NNCF, the dynamic loader and Python say of it, and Python of an extension that does
not say it."""


def ran_out(error: BaseException) -> bool:
    """Whether it, or what has led to it, is a lack of memory."""
    at: BaseException | None = error
    while at is not None:
        text = str(at)
        if isinstance(at, MemoryError) or any(sign in text for sign in SIGNS):
            return True
        at = at.__cause__ or at.__context__
    return False
