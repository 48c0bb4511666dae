"""A worker that loads a compiled model once and tells what that took, `start_side <file with names of modules>`."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from unittest import mock

from bench import calibration, djl, workload
from bench.process import serve
from bench.throughput_side import PROPERTIES, VERSION, Silence


class StartSide:
    """One worker. Imports the modules that the file names before anything is measured."""

    def __init__(self, names: str) -> None:
        djl.use(VERSION)
        begun = time.perf_counter()
        for name in json.loads(Path(names).read_text()):
            with suppress(Exception):  # what cannot be imported by itself is imported by the load
                importlib.import_module(name)
        self._imports = time.perf_counter() - begun
        self._ended: dict[str, float] = {}
        self._seconds: dict[str, float] = {}

    def start(self) -> dict[str, float]:
        """Load the model as DJL's first call does.

        Return seconds, whether it was a hit (1.0), and ms of the calibration loop.
        """
        from djl_python import Input

        from djl_trtllm.compile import cache, manifest
        from djl_trtllm.engines.supervisor import Supervisor
        from djl_trtllm.handler import handle
        from djl_trtllm.local import demo, workspace
        from djl_trtllm.service import loading

        checkpoint = demo.checkpoint(workspace.cache_root(os.environ), Silence())
        frame = workload.Frames(VERSION).load({**PROPERTIES, "model_id": str(checkpoint)})
        hits: list[bool] = []
        ensure = cache.ensure

        def found(*given: Any) -> Any:
            model = ensure(*given)
            hits.append(model.hit)
            return model

        with ExitStack() as patched:
            patched.enter_context(mock.patch.object(cache, "ensure", found))
            for owner, name in ((Supervisor, "open"), (manifest, "verify"), (loading, "assemble")):
                patched.enter_context(mock.patch.object(owner, name, self._timed(name, getattr(owner, name))))
            begun = time.perf_counter()
            inputs = Input()
            inputs.read(workload.Wire(frame))
            answer = handle(inputs)
            whole = time.perf_counter() - begun
        if answer is not None or not hits:
            raise RuntimeError(f"The handler did not load: {getattr(answer, 'message', answer)}")
        engine = self._seconds["open"]
        digests = max(0.0, self._ended["verify"] - self._ended["assemble"])
        return {
            "whole": whole,
            "engine": engine,
            "digests": digests,
            "share": whole - engine - digests,
            "imports": self._imports,
            "hit": float(hits[0]),
            "loop": calibration.milliseconds(),
        }

    def modules(self) -> list[str]:
        """Return the names of everything that was imported by now."""
        return sorted(name for name, module in sys.modules.items() if getattr(module, "__spec__", None))

    def _timed(self, name: str, inner: Any) -> Any:
        def timed(*given: Any, **more: Any) -> Any:
            begun = time.perf_counter()
            try:
                return inner(*given, **more)
            finally:
                self._ended[name] = time.perf_counter()
                self._seconds[name] = self._ended[name] - begun

        return timed


if __name__ == "__main__":
    serve(StartSide, *sys.argv[1:])
