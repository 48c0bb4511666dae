"""Errors that say that memory ran out, and others."""

from __future__ import annotations

import pytest

from djl_trtllm.engines.memory import ran_out


def led_to(cause: BaseException) -> BaseException:
    try:
        try:
            raise cause
        except BaseException as error:
            raise ImportError("numpy cannot be imported") from error
    except ImportError as error:
        return error


def on_the_way(first: BaseException) -> BaseException:
    try:
        try:
            raise first
        except BaseException:
            raise ImportError("numpy cannot be imported")  # noqa: B904
    except ImportError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("std::bad_alloc"),
        ImportError("libopenvino.so.2641: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        SystemError("<function _find_and_load> returned NULL without setting an exception"),
        RuntimeError("cannot allocate memory for thread-local data: ABORT"),
        led_to(MemoryError()),
        on_the_way(OSError("Cannot allocate memory")),
    ],
)
def test_memory_ran_out(error: BaseException) -> None:
    assert ran_out(error)


def test_memory_did_not_run_out() -> None:
    assert not ran_out(led_to(ValueError("no such file")))
