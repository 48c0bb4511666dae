"""Tiny models compiled by the real compiler into the cache that all tests share."""

from __future__ import annotations

import functools
import logging

from djl_trtllm import ranks
from djl_trtllm.compile import cache
from djl_trtllm.compile.progress import LogProgress
from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.engines.openvino.runtime import OpenVINO
from djl_trtllm.model.locate import locate
from djl_trtllm.options import sources
from djl_trtllm.options.table import Options
from tests.support.model_dirs import tiny_options


def tiny_engine_options(family: str = "llama", **more: object) -> Options:
    """Options for an engine over a tiny model: exact, 64 MiB of KV cache."""
    return sources.read({name: str(value) for name, value in tiny_options(family, **more).items()}, {})


@functools.cache
def compiled(family: str = "llama") -> CompiledModel:
    """The compiled tiny model of a family; compiled at the first call on this machine."""
    options, runtime = tiny_engine_options(family), OpenVINO()
    found = locate(options, {}, LogProgress("tiny model", logging.getLogger(__name__)))
    assert isinstance(found, Checkpoint)
    return cache.ensure(
        runtime.plan(found, options),
        ranks.join({}),
        lambda out, report: runtime.build(found, options, out, report),
        cache.CacheSettings.of(options, {}),
        LogProgress("tiny model", logging.getLogger(__name__)),
    )
