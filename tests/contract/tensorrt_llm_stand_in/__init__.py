"""An importable `tensorrt_llm` made from the contract, for one of its versions, stricter than the real one.

    with installed("0.14.0") as recorder:
        ...                                    # code that imports tensorrt_llm
    assert recorder.of("BuildConfig")

Signatures come from `trtllm_contract.json` (`rows`, `spec`, `signature`, `generate`), what happens then from
`behaviours`. Other processes get the same through `environment`.

It is stricter than the library where that finds mistakes: every argument goes by keyword except `input_token_ids`;
dataclasses check types; `bool` and `int` are not taken for each other; a tensor that is missing or misshapen fails in
every family, not only where the library slices it itself; a converted part is built on its rank's own GPU or not at
all. It knows the shapes of a checkpoint and no arithmetic: what it computes from the weights is a digest.
"""

from tests.contract.tensorrt_llm_stand_in.behaviours.tokens import expected_tokens
from tests.contract.tensorrt_llm_stand_in.engine_directory import write_engine
from tests.contract.tensorrt_llm_stand_in.install import environment, installed
from tests.contract.tensorrt_llm_stand_in.recorder import Call, Recorder, read
from tests.contract.tensorrt_llm_stand_in.rows import names, version

ROWS = names()

__all__ = [
    "ROWS",
    "Call",
    "Recorder",
    "environment",
    "expected_tokens",
    "installed",
    "read",
    "version",
    "write_engine",
]
