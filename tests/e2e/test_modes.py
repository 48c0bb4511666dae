"""Every value of option.rolling_batch with the real handler, on both versions of DJL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.http_client import lmi, post, without_log_probs
from tests.support.model_dirs import tiny_model
from tests.support.server import serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

WHOLE = lmi("The licence", stream=False, max_new_tokens=6)
STREAM = lmi("The licence", max_new_tokens=6)


@pytest.mark.parametrize("djl", ["0.34.0", "0.25.0"])
def test_the_same_answers_with_and_without_a_rolling_batch(djl: str, tmp_path: Path) -> None:
    answers = {}
    for mode in ("trtllm", "disable"):
        with serve(tiny_model(tmp_path / mode, "llama", rolling_batch=mode), djl=djl) as server:
            whole, stream = post(server.url, WHOLE), post(server.url, STREAM)
            assert (whole.status, stream.status) == (200, 200)
            assert stream.lines[-1]["generated_text"] == whole.json["generated_text"]
            refused = post(server.url, lmi("x", max_new_tokens=-1))
            assert refused.json["code"] == 400
            assert "max_new_tokens" in refused.json["error"]
            answers[mode] = (whole.text, without_log_probs(stream.text))
    assert answers["trtllm"] == answers["disable"]
