"""Compile a checkpoint with the real compiler: `python -m tests.support.real_build <checkpoint> <cache>`.

Prints every stage, then whether it was a hit and where the model is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import Checkpoint, CompiledModel, Progress
from djl_trtllm.engines.openvino.runtime import OpenVINO
from djl_trtllm.model.locate import locate
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo


class Printed:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def stage(self, name: str, percent: float | None = None) -> None:
        self._say(name)


def compile_model(
    model: Path,
    cache: Path,
    say: Callable[[str], None] = print,
    **more: object,
) -> CompiledModel:
    options = Options(model_id=str(model), cache_dir=str(cache), **more)  # type: ignore[arg-type]
    progress = Printed(say)
    checkpoint = locate(options, {}, progress)
    assert isinstance(checkpoint, Checkpoint)
    return ensure(recipe(checkpoint, options), Solo(), CacheSettings.of(options, {}), progress)


def recipe(checkpoint: Checkpoint, options: Options) -> Recipe:
    """What a service gives the cache."""
    runtime, solo = OpenVINO(), Solo()

    def build(out: Path, progress: Progress) -> None:
        runtime.build(checkpoint, options, solo, out, progress)

    def assess(out: Path, progress: Progress) -> Mapping[str, object] | None:
        quality = runtime.assess(checkpoint, options, solo, out, progress)
        return None if quality is None else quality.content()

    return Recipe(runtime.plan(checkpoint, options, 1), build, assess)


if __name__ == "__main__":
    made = compile_model(Path(sys.argv[1]), Path(sys.argv[2]), lambda name: print(name, flush=True))
    print("hit" if made.hit else "built", made.path, flush=True)
