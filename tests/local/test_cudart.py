import ctypes
import shutil

import pytest

from djl_trtllm.errors import LoadError
from djl_trtllm.local import cudart


def test_built_once_and_counts_as_told(tmp_path, monkeypatch):
    directory = cudart.stub_directory(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: pytest.fail("built again"))
    assert cudart.stub_directory(tmp_path) == directory
    library = ctypes.CDLL(str(directory / "libcudart.so"))
    count = ctypes.c_int(-1)
    library.cudaGetDeviceCount(ctypes.byref(count))
    assert count.value == 1
    monkeypatch.setenv(cudart.GPU_COUNT_VARIABLE, "3")
    library.cudaGetDeviceCount(ctypes.byref(count))
    assert count.value == 3
    library.cudaGetErrorString.restype = ctypes.c_char_p
    assert b"no CUDA" in library.cudaGetErrorString(1)


def test_no_compiler_names_the_package(tmp_path):
    with pytest.raises(LoadError, match=r"Debian package gcc \(build-essential"):
        cudart.stub_directory(tmp_path, compiler="no-such-compiler")


def test_a_compiler_that_fails(tmp_path):
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho 'stdlib.h: not found' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(LoadError, match=r"stdlib\.h: not found.*libc6-dev"):
        cudart.stub_directory(tmp_path, compiler=str(broken))
    assert not list(tmp_path.rglob("libcudart.so"))


def test_gpu_count_is_a_number():
    assert cudart.gpu_count() >= 0
