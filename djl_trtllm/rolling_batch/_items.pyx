"""`items.in_python` in machine code: the same items, byte for byte."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL


def items(replies, frames, odd, special):
    """Return an item for each reply."""
    cdef list heads = frames.heads
    cdef bytes more = frames.more
    cdef list made = []
    idle = frames.idle
    for reply in replies:
        if reply is None:
            made.append(idle)
        elif isinstance(reply, str):
            try:
                made.append(framed(<str>reply, heads, more))
            except (UnicodeEncodeError, IndexError):
                made.append(odd(reply))
        else:
            made.append(special(len(made), reply))
    return made


cdef bytes framed(str text, list heads, bytes more):
    cdef Py_ssize_t size
    cdef const char* data = PyUnicode_AsUTF8AndSize(text, &size)
    cdef bytes head = heads[size]
    cdef Py_ssize_t before = PyBytes_GET_SIZE(head), after = PyBytes_GET_SIZE(more)
    cdef bytes item = PyBytes_FromStringAndSize(NULL, before + size + after)
    cdef char* place = PyBytes_AS_STRING(item)
    memcpy(place, PyBytes_AS_STRING(head), before)
    memcpy(place + before, data, size)
    memcpy(place + before + size, PyBytes_AS_STRING(more), after)
    return item
