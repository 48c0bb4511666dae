"""What the stand-in changes in torch: the devices it sees, and a record of the one that was chosen.

torch is never imported here: it is changed where it is imported already, or as soon as the code under test does so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from tests.contract.tensorrt_llm_stand_in.library import Library


@contextmanager
def devices(library: Library) -> Iterator[None]:
    """Let torch see the GPUs of the knobs."""
    changed: list[tuple[Any, str, Any]] = []
    finder = _WhenImported(lambda torch: _change(torch, library, changed))
    if "torch" in sys.modules:
        _change(sys.modules["torch"], library, changed)
    else:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if sys.meta_path is not None and finder in sys.meta_path:  # None while the interpreter ends
            sys.meta_path.remove(finder)
        for owner, name, value in changed:
            setattr(owner, name, value)


def _change(torch: ModuleType, library: Library, changed: list[tuple[Any, str, Any]]) -> None:
    count = library.knobs.gpu.count

    def set_device(device: Any) -> None:
        index = int(str(getattr(device, "index", device)).removeprefix("cuda:"))
        library.recorder.add("torch.cuda", "set_device", {"device": index})
        if index >= count:
            raise RuntimeError(
                "CUDA error: invalid device ordinal" if count else "No CUDA GPUs are available"
            )
        library.device = index

    for name, value in {"set_device": set_device, "device_count": lambda: count}.items():
        changed.append((torch.cuda, name, getattr(torch.cuda, name)))
        setattr(torch.cuda, name, value)


class _WhenImported(MetaPathFinder):
    def __init__(self, change: Any) -> None:
        self._change = change

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            self._change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec
