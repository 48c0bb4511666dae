# What `feed` takes is known to the compiler here, so that the loop reaches it without a look-up by name.
cdef class Receiver:
    cpdef feed(self, chunk)
