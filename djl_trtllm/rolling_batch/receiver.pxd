# What `feed` takes is known to the compiler here, so that the loop reaches it without a look-up by name.
from djl_trtllm._token_chunk cimport TokenChunk as Chunk

cdef class Receiver:
    cpdef feed(self, Chunk chunk)
