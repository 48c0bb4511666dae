"""DJL's entry point: `option.entryPoint=djl_trtllm.handler`.

`handle` is all that there is here to call, and nothing may be added: DJL calls what the property `handler` of a request
names in this module, with the request's headers as properties (PyProcess and djl_python, 0.27 to 0.36). DJL-Serving
lets no client set it unless ALLOW_REQUEST_HANDLER_OVERRIDE is true; other fronts may forget to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from djl_trtllm import worker

if TYPE_CHECKING:
    from djl_python.inputs import Input
    from djl_python.outputs import Output


def handle(inputs: Input) -> Output | None:
    """Load the model on the first, empty call; answer one step on every later one."""
    return worker.handle(inputs)
