from __future__ import annotations

from djl_trtllm.core import Prompt
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.formats.base import Piece
from tests.formats.helpers import ending, failed, response, whole
from tests.formats.streams import streamed, tokens_of

BROKEN = failed(EngineRestarting("The engine\nbroke."))


def test_whole() -> None:
    output = response("text")
    assert output.writer(0).write(Piece([5], ["a"], None)) == ""
    assert whole(output, ending('"é"\n')) == '"é"\n'
    assert whole(response("text", return_full_text=True), ending("x")) == 'Say "hi"\nx'
    assert whole(output, ending("")) == "\n"
    assert whole(output, BROKEN) == "[error: The engine broke.]\n"


def test_streaming() -> None:
    output = response("text", stream=True)
    writer = output.writer(0)
    assert writer.write(Piece([5, 6], ["a", " b"], None)) == "a b"
    assert writer.line(7, "é", None) == "é"
    assert writer.end(Piece([4], ["\n\n"], None), ending("")) == "\n\n"
    assert output.writer(0).end(None, ending("")) == "\n"
    assert output.writer(0).end(Piece([2], [""], None), ending("")) == "\n"
    assert output.writer(0).end(Piece([5], ["a"], None), BROKEN) == "a\n[error: The engine broke.]\n"
    assert streamed(output, [tokens_of(5), tokens_of(6)]) == "a b"


def test_streaming_the_prompt_as_well() -> None:
    output = response("text", stream=True, return_full_text=True, prompts=(Prompt("P", (1,)),))
    writer = output.writer(0)
    assert writer.line(5, "a", None) == "Pa"
    assert writer.line(5, "a", None) == "a"
    assert streamed(output, [tokens_of(5)]) == "Pa"
