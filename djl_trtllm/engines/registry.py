"""Which runtime serves a model. A new runtime is one more entry in `_RUNTIMES`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from djl_trtllm.engines.base import Runtime
from djl_trtllm.errors import OptionsError

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)


def _openvino() -> Runtime:
    from djl_trtllm.engines.openvino.runtime import OpenVINO

    return OpenVINO()


_RUNTIMES: Mapping[str, Callable[[], Runtime]] = {"openvino": _openvino}
"""Every runtime that can be chosen, by its name in the option `runtime`."""


def choose(options: Options, team_size: int) -> Runtime:
    """Return the runtime for these options and a team of `team_size` ranks, and log which and why.

    Raises `OptionsError` with everything that stands against it.
    """
    wanted = options.runtime
    problems = []
    if wanted not in ("auto", *_RUNTIMES):
        problems.append(
            f"runtime={wanted} ({options.source_of('runtime')}) is not available here; "
            f"this version has {' and '.join(_RUNTIMES)}. Set runtime=openvino or leave it out."
        )
    degree = options.tensor_parallel(1)
    if degree > 1:
        problems.append(
            f"tensor_parallel_degree={degree} ({options.source_of('tensor_parallel_degree')}) needs the runtime "
            "trtllm; openvino runs a model in one process. Set tensor_parallel_degree=1."
        )
    if options.pipeline_parallel_degree > 1:
        problems.append(
            f"pipeline_parallel_degree={options.pipeline_parallel_degree} "
            f"({options.source_of('pipeline_parallel_degree')}) needs the runtime trtllm; openvino runs a model "
            "in one process. Set pipeline_parallel_degree=1."
        )
    if team_size > 1 and degree <= 1:
        problems.append(
            f"{team_size} MPI ranks were started, but openvino runs a model in one process and only the runtime "
            "trtllm can use more. Start one rank: tensor_parallel_degree=1."
        )
    if problems:
        raise OptionsError(*problems)
    why = "it is the only runtime of this version" if wanted == "auto" else "option runtime names it"
    logger.info("runtime openvino: %s", why)
    return _RUNTIMES["openvino"]()
