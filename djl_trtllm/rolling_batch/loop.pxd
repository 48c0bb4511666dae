# What goes through all requests in a step, where `loop.py` is compiled; other attributes are as in Python.
cimport cython

from djl_trtllm._token_chunk cimport TokenChunk as Chunk
from djl_trtllm.rolling_batch.receiver cimport Receiver
from djl_trtllm.rolling_batch.slot cimport Slot

cdef class RollingBatch:
    cdef dict __dict__
    cdef public list _slots
    cdef public dict _live

    @cython.locals(live=dict, sequence=Receiver, chunk=Chunk, empty=Py_ssize_t, ended=bint)
    cpdef _feed(self, news, list stopped)

    @cython.locals(slot=Slot, data=str, most=Py_ssize_t, replies=list, gone=list)
    cpdef _emit(self)
