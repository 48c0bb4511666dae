"""A model author's output formatter, found by option or by DJL itself, through DJL's real Java engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.http_client import lmi, post
from tests.support.model_dirs import tiny_model
from tests.support.server import serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

PLAIN = """
from djl_trtllm.handler import handle

def numbered(output):
    token, index, first, last = output.sequences[output.best_sequence_index].get_next_token()
    return f"{index}:{token.id}" + ("!" if last else " ")

numbered.content_type = "text/x-numbered"
"""
DECORATED = PLAIN.replace(
    "\ndef ", "\nfrom djl_python.output_formatter import output_formatter\n\n@output_formatter\ndef "
)


@pytest.mark.parametrize(
    ("djl", "source", "options"),
    [
        ("0.34.0", DECORATED, {}),
        pytest.param("0.34.0", PLAIN, {"output_formatter": "model.py:numbered"}, marks=pytest.mark.long),
        pytest.param("0.25.0", PLAIN, {"output_formatter": "numbered"}, marks=pytest.mark.long),
    ],
    ids=["decorated", "named", "old"],
)
def test_it_writes_the_answer(djl: str, source: str, options: dict[str, object], tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", "gpt2", entryPoint="model.py", **options)
    (model / "model.py").write_text(source)
    with serve(model, djl=djl) as server:
        reply = post(server.url, lmi("The sea", max_new_tokens=3))
        standard = post(server.url, lmi("The sea", max_new_tokens=3, output_formatter="jsonlines"))
    ids = [line["token"]["id"] for line in standard.lines]
    assert reply.text == f"0:{ids[0]} 1:{ids[1]} 2:{ids[2]}!"
    if djl != "0.25.0":  # which has one content type for everything
        assert reply.headers["content-type"] == "text/x-numbered"
