"""Whole answers without a rolling batch on DJL's side."""

import json

from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.rolling_batch.whole import answer
from tests.support.loop import rig

HEADERS = {"Content-Type": "application/json"}


def body(**parameters) -> bytes:
    return json.dumps({"inputs": "the fox", "parameters": parameters}).encode()


def test_answers_come_in_order_with_errors_in_place():
    with rig() as r:
        answers = answer(
            r.loop,
            [
                Arrival(body(max_new_tokens=30), HEADERS),
                Arrival(b"{", HEADERS),
                Arrival(body(max_new_tokens=2), HEADERS),
            ],
        )
        assert r.loop.active == 0
    assert [a.error is None for a in answers] == [True, False, True]
    assert [a.content_type for a in answers] == ["application/json"] * 3
    assert len(json.loads(answers[0].text)["generated_text"]) > len(
        json.loads(answers[2].text)["generated_text"]
    )
