"""R4: memory runs out while a model is compiled or loaded: a 507 that names what to change, and a cache left clean.

Through the handler, with the real compiler and OpenVINO. The kernel's way is SIGKILL, which is sent here at random
moments; the other way is an allocation that fails, by a limit that is put on the process at random moments, and by a KV
cache that cannot be had. A load without a fault must serve afterwards, what was compiled before without compiling.
"""

from __future__ import annotations

import random
import resource
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from djl_python.inputs import Input
from djl_python.outputs import Output

from chaos.figure import Figure, exactly
from chaos.scale import Scale
from djl_trtllm import handler, worker
from djl_trtllm.compile import manifest
from tests.support.model_dirs import tiny_options

COMPILER, ENGINE = "openvino.build_child", "openvino.child"
FAULTS = {
    "killed": "the kernel kills the process",
    "limited": "allocations of the process fail",
    "too_large": "the KV cache is larger than memory",
}
KNOBS = (
    "dtype",
    "quantize",
    "openvino_kv_cache",
    "max_rolling_batch_size",
    "max_input_len",
    "max_num_tokens",
)
WORDLESS = ("signal SIGSEGV", "signal 11", "signal 6", "The compiled model is whole")
SEED = 4
BEGUN = {COMPILER: "torch", ENGINE: "numpy"}
"""What a process has loaded once it is about its work."""
AFTER = {COMPILER: 4.0, ENGINE: 0.6}
"""Seconds over which faults are spread from there; building and loading the tiny model takes as long."""

Fault = Callable[[psutil.Process], None]


@dataclass(slots=True)
class Told:
    """What loads with a fault came to.

    `missed` are faults that came too late for their process. `wordless` are those of which nothing told us that it was
    memory: a library crashed or gave another reason. They are no 507, and their message says what to do if it was.
    """

    faults: int = 0
    missed: int = 0
    wordless: int = 0
    codes: list[int] = field(default_factory=list)
    knobless: int = 0
    dirty: int = 0

    def add(self, output: Output | None, cache: Path) -> None:
        """Take a load's answer, and look at the cache."""
        if output is None:
            self.missed += 1
            return
        self.faults += 1
        if any(sign in output.message for sign in WORDLESS):
            self.wordless += 1
        else:
            self.codes.append(int(output.code))
        print(output.code, output.message)
        self.knobless += not any(knob in output.message for knob in KNOBS)
        self.dirty += bool(debris(cache))


def run(scale: Scale) -> list[Figure]:
    """So many faults of each kind while compiling, then while loading what was compiled without one."""
    dice = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        cache = Path(directory)
        kinds = {"killed": _kill, "limited": _limit(dice)}
        building = {kind: Told() for kind in kinds}
        for kind, fault in kinds.items():
            _repeat(building[kind], COMPILER, fault, scale.of(full=6, quick=1), cache, dice)
        unserved = int(_sound(cache))
        figures = [figure for kind in kinds for figure in _figures("build", kind, building[kind])]
        for kind, fault in kinds.items():
            told = Told()
            _repeat(told, ENGINE, fault, scale.of(full=20, quick=2), cache, dice)
            unserved += _sound(cache)
            figures += _figures("load", kind, told)
        told = Told()
        told.add(_load(_options(cache, openvino_kv_cache="900GiB")), cache)
        unserved += _sound(cache)
        figures += _figures("load", "too_large", told)
        return [*figures, exactly("R4.unserved", "a load after each of these", unserved, 0, "loads")]


def _repeat(told: Told, module: str, fault: Fault, count: int, cache: Path, dice: random.Random) -> None:
    while told.faults < count:
        if told.missed > 3 * count:
            raise RuntimeError(f"{told.missed} faults came too late for {module}, {told.faults} did not")
        with _at_random(module, dice, fault):
            output = _load(_options(cache))
        told.add(output, cache)


def _options(cache: Path, **more: object) -> dict[str, object]:
    return tiny_options("llama", **{"cache_dir": cache, "model_loading_timeout": 120, **more})


def _sound(cache: Path) -> bool:
    """Load without a fault; whether that failed."""
    output = _load(_options(cache))
    if output is not None:
        print(output.code, output.message)
    return output is not None or bool(debris(cache))


def _load(options: dict[str, object]) -> Output | None:
    """Call the handler as DJL does at a start; what it serves then is closed at once."""
    worker._part = worker._load
    inputs = Input()
    inputs.properties |= {f"option.{name}": str(value) for name, value in options.items()}
    inputs.properties |= {name: str(value) for name, value in options.items()}
    output = handler.handle(inputs)
    serving: Any = worker._part
    if output is None:
        serving.__self__._service.close()
    return output


def debris(cache: Path) -> list[Path]:
    """What is in the cache and belongs to no whole model."""
    if not cache.exists():
        return []
    whole = [file.parent for file in cache.rglob(manifest.NAME)]
    places = [place for name in ("artifacts", "building") if (place := cache / name).exists()]
    return [entry for place in places for entry in place.iterdir() if entry not in whole]


@contextmanager
def _at_random(module: str, dice: random.Random, fault: Fault) -> Iterator[None]:
    """Do it to the process that runs `module`, some time after its beginning."""
    over, seconds = threading.Event(), dice.uniform(0, AFTER[module])

    def watch() -> None:
        me = psutil.Process()
        while not over.is_set():
            with suppress(psutil.Error, OSError):
                for child in me.children():
                    if any(word.endswith(module) for word in child.cmdline()) and _has_begun(child, module):
                        if not over.wait(seconds):
                            fault(child)
                        return
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _has_begun(child: psutil.Process, module: str) -> bool:
    return BEGUN[module] in Path(f"/proc/{child.pid}/maps").read_text()


def _kill(process: psutil.Process) -> None:
    process.send_signal(signal.SIGKILL)


def _limit(dice: random.Random) -> Fault:
    def limit(process: psutil.Process) -> None:
        bytes_ = process.memory_info().vms + dice.randrange(1 << 24)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (bytes_, bytes_))

    return limit


def _figures(doing: str, kind: str, told: Told) -> list[Figure]:
    name, fault = f"R4.{doing}_{kind}", f"{FAULTS[kind]} in a {doing}"
    detail = f"{told.faults} times" + (f", {told.missed} more came too late" if told.missed else "")
    detail += f", {told.wordless} did not say that it was memory (503)" if told.wordless else ""
    wrong = sum(code != 507 for code in told.codes)
    return [
        exactly(f"{name}_not_507", fault, wrong, 0, "loads", detail),
        exactly(f"{name}_without_knobs", fault, told.knobless, 0, "messages"),
        exactly(f"{name}_unclean", fault, told.dirty, 0, "caches"),
    ]
