# The attributes of `Kept` and `LiveSequence`, where `live_sequence.py` is compiled.
from djl_trtllm.rolling_batch.receiver cimport Receiver
from djl_trtllm.rolling_batch.slot cimport Slot

cdef class Kept:
    cdef public list logprobs, tokens, tops

cdef class LiveSequence(Receiver):
    cdef public object _decoder, _kept, _line, _next_line, _prompt_logprobs, _score, _stream, _writer
    cdef public object id, index, prompt, reason, tokens
    cdef public bint _scored, ended, waiting
    cdef public Slot owner
    cdef public list texts
