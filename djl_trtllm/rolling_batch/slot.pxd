# The attributes of `Slot`, where `slot.py` is compiled.
from djl_trtllm.rolling_batch.receiver cimport Receiver

cdef class Slot(Receiver):
    cdef public object _content_type, _endings, _failure, _format, _response, _warnings
    cdef public object arrived, begun, error, first_reply, firsts, id, metered, origin, reason, sequences
    cdef public bint _started, flowing, gone, over, void
    cdef public str data
