from __future__ import annotations

import json

import pytest

from djl_trtllm.errors import Busy, DjlTrtllmError, InvalidRequest
from djl_trtllm.formats.errors import error_body


def test_golden_bytes() -> None:
    assert error_body(InvalidRequest('top_p is "2".', "top_k is -1.")) == (
        '{"error":"top_p is \\"2\\". top_k is -1.","code":400,"error_code":"invalid_request","retryable":false}'
    )


@pytest.mark.parametrize("error", [Busy("Über\nall"), InvalidRequest(), DjlTrtllmError("x")])
def test_members(error: DjlTrtllmError) -> None:
    assert json.loads(error_body(error)) == {
        "error": str(error),
        "code": error.status,
        "error_code": error.code,
        "retryable": error.retryable,
    }
