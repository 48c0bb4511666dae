"""DJL's entry point: `option.entryPoint=djl_trtllm.handler`.

DJL calls `handle` with an empty input to load the model, then once for every step. Nothing raises out of it: DJL
would fail every listed request, and replace the message of a failed load (observed on 0.27 to 0.36).
"""

from __future__ import annotations

import gc
import logging
import os
from typing import TYPE_CHECKING

from djl_python.inputs import Input
from djl_python.outputs import Output

from djl_trtllm.errors import DjlTrtllmError, InternalError
from djl_trtllm.rolling_batch.wire import Wire
from djl_trtllm.telemetry import logs

if TYPE_CHECKING:
    from djl_trtllm.service import Service

log = logging.getLogger(__name__)

_wire = Wire()
_service: Service | None = None


def handle(inputs: Input) -> Output | None:
    """Load on the first, empty call; answer one step on every later one."""
    if _service is None:
        return _load(inputs)
    if inputs.is_empty():
        return None
    if _service.lost:
        log.error("the engine is gone for good; ending this worker so that it is replaced")
        os._exit(1)
    try:
        if _wire.is_step(inputs):
            return _wire.write(_service.step(_wire.read(inputs, _service.active)))
        return _wire.whole(_service.answer(_wire.single(inputs)))
    except Exception as error:
        log.error("a step failed: %s", logs.describe(error))
        _service.reset()
        return _wire.failed(
            inputs, InternalError("The server failed while answering; send the request again.")
        )


def _load(inputs: Input) -> Output | None:
    global _service, _wire
    logs.configure()
    try:
        from djl_trtllm import service

        _service = service.load(inputs.get_properties(), os.environ, _wire.item_chars)
    except DjlTrtllmError as error:
        log.error("the model was not loaded: %s", error)
        return Output(code=error.status, message=error.wire_text())
    except Exception as error:
        log.exception("the model was not loaded")
        return Output(code=503, message=f"The model was not loaded: {type(error).__name__}, see the log.")
    # What loading made lives as long as the worker; the collector need not look at it again in every step.
    gc.collect()
    gc.freeze()
    options = _service.options
    _wire = Wire(lmi_codes=options.error_codes == "lmi", rolling=options.rolling_batch != "disable")
    return None
