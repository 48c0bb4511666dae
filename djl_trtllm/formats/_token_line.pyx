"""`token_line.in_python` in machine code: the same lines, byte for byte."""

from cpython.dict cimport PyDict_GetItemWithError
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.object cimport PyObject
from libc.math cimport fabs, floor, signbit

cdef extern from "Python.h":
    str PyUnicode_FromKindAndData(int kind, const void* buffer, Py_ssize_t size)

cdef double LARGE = 1e6
cdef double HALF = 0.5
# Of a number below a million, the product with a million is off by less than this: farther from a half, its rounding is sure.
cdef double DOUBT = 1e-3


def token_line(tokens, str opening, str closing):
    """Return the function that writes a token between two texts."""
    cdef dict known = tokens.known
    whole = tokens.whole

    def line(token, str text, log_prob):
        cdef PyObject* found = PyDict_GetItemWithError(known, token)
        cdef tuple entry
        cdef str number
        if found is not NULL and PyFloat_CheckExact(log_prob):
            entry = <tuple>found
            if <str>entry[0] == text:
                number = decimals(PyFloat_AS_DOUBLE(log_prob))
                if number is not None:
                    return f"{opening}{<str>entry[1]}{number}{<str>entry[2]}{closing}"
        return f"{opening}{whole(token, text, log_prob)}{closing}"

    return line


cdef str decimals(double value):
    """Return six decimals, as Python's format writes them, or None where that is for Python to say."""
    cdef double size = fabs(value)
    if not size < LARGE:
        return None
    cdef double millionths = size * 1e6
    cdef double whole = floor(millionths)
    cdef double rest = millionths - whole
    if fabs(rest - HALF) < DOUBT:
        return None
    cdef unsigned long long number = <unsigned long long>whole + (rest > HALF)
    cdef char digits[16]
    cdef int at = 16, written = 0
    while number or written < 7:
        if written == 6:
            at -= 1
            digits[at] = c"."
        at -= 1
        digits[at] = <char>(c"0" + number % 10)
        number //= 10
        written += 1
    if signbit(value):
        at -= 1
        digits[at] = c"-"
    return PyUnicode_FromKindAndData(1, &digits[at], 16 - at)
