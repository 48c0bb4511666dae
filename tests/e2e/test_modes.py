"""Every value of option.rolling_batch with the real handler, on both versions of DJL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import start_report
from tests.support.http_client import lmi, post, without_log_probs
from tests.support.model_dirs import tiny_model
from tests.support.server import serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

WHOLE = lmi("The licence", stream=False, max_new_tokens=6)
STREAM = lmi("The licence", max_new_tokens=6)


@pytest.mark.parametrize("djl", ["0.34.0", pytest.param("0.25.0", marks=pytest.mark.long)])
def test_the_same_answers_with_and_without_a_rolling_batch(djl: str, tmp_path: Path) -> None:
    answers = {}
    for mode in ("trtllm", "python", "disable"):
        with serve(tiny_model(tmp_path / mode, "llama", rolling_batch=mode), djl=djl) as server:
            whole, stream = post(server.url, WHOLE), post(server.url, STREAM)
            assert (whole.status, stream.status) == (200, 200)
            assert stream.lines[-1]["generated_text"] == whole.json["generated_text"]
            refused = post(server.url, lmi("x", max_new_tokens=-1))
            assert refused.json["code"] == 400
            assert "max_new_tokens" in refused.json["error"]
            answers[mode] = (whole.text, without_log_probs(stream.text))
            _check_report(start_report.rows(server))
    assert answers["trtllm"] == answers["python"] == answers["disable"]


def _check_report(told: dict[str, str]) -> None:
    assert re.search(r"/llama, LLaMA, 474\.8K parameters, fp32$", told["model"])
    assert told["runtime"] == "openvino: no GPU is visible"
    assert re.match(r"cache (hit|miss) \([0-9a-f]{12}\): ", told["artifact"])
    assert "total 1024 (max_position_embeddings in config.json)" in told["limits"]
    assert re.search(
        r"\(option openvino_kv_cache=.+\): \d+ requests of 1024 tokens at once$", told["KV cache"]
    )
    assert re.fullmatch(r"weights [\d.]+ MiB, KV cache 64\.0 MiB, of .+, .+ free", told["memory"])
    assert re.match(
        r"model_loading_timeout \d+ s \(.+\), \d+ s of it used, predict_timeout", told["timeouts"]
    )
    assert "openvino_precision=exact (serving.properties)" in told["options"]
    assert "openvino-genai 2026." in told["versions"]
