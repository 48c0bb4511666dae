# The attributes of `TokenChunk`, for modules that read them.
cdef class TokenChunk:
    cdef public object id, tokens, logprobs, finish, error, tops, prompt_logprobs
