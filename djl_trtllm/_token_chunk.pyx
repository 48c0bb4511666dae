"""`core.TokenChunk` whose attributes machine code reads without a look-up by name."""

cimport cython


@cython.dataclasses.dataclass
cdef class TokenChunk:
    id: object
    tokens: object = ()
    logprobs: object = None
    finish: object = None
    error: object = None
    tops: object = None
    prompt_logprobs: object = None
