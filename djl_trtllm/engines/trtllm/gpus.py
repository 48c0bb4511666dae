"""The GPUs of this process, asked of the NVIDIA driver itself: torch would cost seconds and gigabytes.

The calls are of the CUDA driver API, whose names and numbers are fixed. `cuInit` makes no context and takes no
memory of a GPU; CUDA_VISIBLE_DEVICES holds for it as for everybody.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

LIBRARY = "libcuda.so.1"
_MAJOR = 75  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
_MINOR = 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
_NAME_BYTES = 256


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. `capability` is CUDA's compute capability, as `8.9`; `memory_bytes` all of its memory."""

    name: str
    capability: str
    memory_bytes: int

    @property
    def compute(self) -> tuple[int, int]:
        """The compute capability as two numbers, to compare."""
        major, _, minor = self.capability.partition(".")
        return int(major), int(minor)


def devices() -> Sequence[Gpu]:
    """Return the GPUs that this process sees, in CUDA's order; none where there is no driver or it does not work."""
    try:
        driver = ctypes.CDLL(LIBRARY)
        if driver.cuInit(0):
            return ()
        count = ctypes.c_int()
        if driver.cuDeviceGetCount(ctypes.byref(count)):
            return ()
        return tuple(_device(driver, index) for index in range(count.value))
    except (OSError, AttributeError):
        return ()


def _device(driver: ctypes.CDLL, index: int) -> Gpu:
    device = ctypes.c_int()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    memory = ctypes.c_size_t()
    failed = driver.cuDeviceGet(ctypes.byref(device), index)
    failed |= driver.cuDeviceGetName(name, _NAME_BYTES, device)
    failed |= driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = [ctypes.c_int(), ctypes.c_int()]
    for number, attribute in zip(capability, (_MAJOR, _MINOR), strict=True):
        failed |= driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
    if failed:
        raise OSError(f"the driver does not describe GPU {index}")
    return Gpu(
        name.value.decode("utf-8", "replace"), ".".join(str(n.value) for n in capability), memory.value
    )
